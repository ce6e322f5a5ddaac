/** What `huey.enqueue` does with each thing that it takes: a signature, a pipeline, a group, a chord. */
import { ConfigurationError } from '../runtime/errors.js';
import { Assembly, idsAfter, itemOfSignature, type Assembled } from './assembly.js';
import { isChord } from './chord.js';
import { ChordResult } from './chord-result.js';
import type { Client } from './client.js';
import { isGroup, type Group } from './group.js';
import { isPipeline } from './pipeline.js';
import { makeResultGroup, type ResultGroup } from './result-group.js';
import { makeResult, type Result } from './result.js';
import { isSignature, Signature, type CallPlan } from './signature.js';

/** @throws ConfigurationError, PayloadError, EnqueueFailed, UniqueConflict */
export async function enqueue(client: Client, what: unknown): Promise<Result<unknown> | ResultGroup | ChordResult> {
  if (isSignature(what)) return (await enqueueSignatures(client, [what]))[0] as Result<unknown>;
  const assembly = new Assembly(client);
  if (isPipeline(what)) {
    const stages = assembly.pipeline(what);
    await client.sendTogether(assembly.items, assembly.chords);
    return makeResultGroup(client, handlesOf(client, stages));
  }
  if (isGroup(what)) return enqueueGroup(client, assembly, what);
  if (isChord(what)) {
    const { members, callback } = assembly.chord(what);
    await client.sendTogether(assembly.items, assembly.chords);
    const [first, ...later] = handlesOf(client, callback);
    if (first === undefined) throw new ConfigurationError('a chord needs a callback', 'bad-signature');
    return new ChordResult(client, handlesOf(client, members), [first, ...later]);
  }
  throw new ConfigurationError('enqueue takes what task.s(...), pipe, group and chord give; to call a task, call it', 'bad-signature');
}

/** In one bulk write. @throws ConfigurationError, PayloadError, EnqueueFailed, UniqueConflict */
export async function enqueueSignatures(client: Client, signatures: readonly Signature[]): Promise<Result<unknown>[]> {
  const calls = signatures.map((signature) => {
    const plan = planFor(client, signature);
    const item = itemOfSignature(signature);
    const origin = { plan, args: signature.args, handler: Signature.handlerOf(signature) };
    return { id: item.id, plan, item, origin };
  });
  const [only] = calls;
  const conflicts =
    only !== undefined && calls.length === 1 ? await client.send(only.item) : await client.sendMany(calls.map(({ item }) => item));
  const ids = idsAfter(conflicts, calls);
  return calls.map(({ id, plan, origin }, i) => {
    const made = ids[i] ?? id;
    return makeResult(client, made, plan.taskName, made === id ? origin : undefined);
  });
}

/** Members go in bulk writes; those that belong to a chord in it together with that. */
async function enqueueGroup(client: Client, assembly: Assembly, { members }: Group): Promise<ResultGroup> {
  const assembled = assembly.group(members);
  const { items, chords } = assembly;
  const conflicts = chords.length === 0 ? await client.sendMany(items) : await client.sendTogether(items, chords);
  const planOf = new Map(assembled.map(({ id, origin }) => [id, origin?.plan]));
  const ids = idsAfter(
    conflicts,
    items.map(({ id }) => ({ id, plan: planOf.get(id) })),
  );
  const standIns = new Map(items.flatMap(({ id }, i) => (ids[i] === undefined || ids[i] === id ? [] : [[id, ids[i]]])));
  return makeResultGroup(
    client,
    handlesOf(
      client,
      assembled.map((one) => {
        const id = standIns.get(one.id);
        return id === undefined ? one : { ...one, id, origin: undefined };
      }),
    ),
  );
}

function handlesOf(client: Client, assembled: readonly Assembled[]): Result<unknown>[] {
  return assembled.map(({ id, taskName, origin }) => makeResult(client, id, taskName, origin));
}

function planFor(client: Client, signature: Signature): CallPlan {
  if (!(signature instanceof Signature))
    throw new ConfigurationError('enqueueMany takes a list of what task.s(...) gives', 'bad-signature');
  const plan = Signature.planOf(signature);
  if (plan.client === client) return plan;
  throw new ConfigurationError(`${signature.taskName} is a task of another Huey; enqueue it there`, 'bad-signature');
}
