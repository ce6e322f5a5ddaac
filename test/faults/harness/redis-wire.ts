/** Single commands to a Redis server, without a client: for looking at keys and for commands of administrators. */
import { connect } from 'node:net';

export type RedisReply = string | number | null | RedisReply[];

const ANSWER_MS = 10_000;

/** Sends one command on a connection of its own. Rejects with the server's words where it refuses. */
export function redisCommand(port: number, ...args: string[]): Promise<RedisReply> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`);
    });
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    socket.setTimeout(ANSWER_MS, () => fail(new Error(`no answer to ${args[0] ?? ''} within ${ANSWER_MS} ms`)));
    socket.on('error', fail);
    socket.on('close', () => reject(new Error(`the server closed the connection at ${args[0] ?? ''}`)));
    socket.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      const parsed = parse(bytes, 0);
      if (parsed === undefined) return;
      socket.destroy();
      if (parsed.value instanceof Error) reject(parsed.value);
      else resolve(parsed.value);
    });
  });
}

interface Parsed {
  value: RedisReply | Error;
  next: number;
}

/** undefined: not complete yet. */
function parse(bytes: Buffer, at: number): Parsed | undefined {
  const end = bytes.indexOf('\r\n', at);
  if (end === -1) return undefined;
  const line = bytes.toString('utf8', at + 1, end);
  const next = end + 2;
  switch (String.fromCharCode(bytes[at] ?? 0)) {
    case '+':
      return { value: line, next };
    case '-':
      return { value: new Error(line), next };
    case ':':
      return { value: Number(line), next };
    case '$':
      return parseBulk(bytes, next, Number(line));
    case '*':
      return parseList(bytes, next, Number(line));
    default:
      return { value: new Error(`not a reply of Redis: ${line}`), next };
  }
}

function parseBulk(bytes: Buffer, at: number, length: number): Parsed | undefined {
  if (length < 0) return { value: null, next: at };
  if (bytes.length < at + length + 2) return undefined;
  return { value: bytes.toString('utf8', at, at + length), next: at + length + 2 };
}

function parseList(bytes: Buffer, at: number, length: number): Parsed | undefined {
  const items: RedisReply[] = [];
  let next = at;
  for (let i = 0; i < length; i++) {
    const item = parse(bytes, next);
    if (item === undefined || item.value instanceof Error) return item;
    items.push(item.value);
    next = item.next;
  }
  return { value: length < 0 ? null : items, next };
}
