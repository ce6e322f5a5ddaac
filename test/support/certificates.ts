/**
 * Certificates for tests of TLS, made by node's own crypto, since a clean machine may have no openssl: an authority, and by
 * it one for a server on 127.0.0.1. Elliptic keys (P-256), a life of a day, and no more of X.509 than TLS asks for.
 */
import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';

export interface CertificateFiles {
  ca: string;
  cert: string;
  key: string;
}

const DAY_MS = 24 * 3600 * 1000;
const OID = { commonName: '550403', ecdsaWithSha256: '2a8648ce3d040302', basicConstraints: '551d13', alternativeName: '551d11' };
const BOOLEAN_TRUE = Buffer.from('0101ff', 'hex');

/** Writes ca.pem, cert.pem and key.pem into a folder. */
export async function makeCertificates(folder: string): Promise<CertificateFiles> {
  const [authority, server] = [newKeys(), newKeys()];
  const isAuthority = extension(OID.basicConstraints, sequence(BOOLEAN_TRUE), true);
  // A general name of kind 7 is an address.
  const address = extension(OID.alternativeName, sequence(der(0x87, Buffer.from([127, 0, 0, 1]))));
  const ca = certificate('test authority', authority.publicKey, 'test authority', authority.privateKey, isAuthority);
  const cert = certificate('test server', server.publicKey, 'test authority', authority.privateKey, address);
  const files = { ca: path.join(folder, 'ca.pem'), cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem') };
  await writeFile(files.ca, ca);
  await writeFile(files.cert, cert);
  await writeFile(files.key, server.privateKey.export({ type: 'pkcs8', format: 'pem' }));
  return files;
}

function newKeys(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

function certificate(subject: string, publicKey: KeyObject, issuer: string, issuerKey: KeyObject, ...extensions: Buffer[]): string {
  const algorithm = sequence(oid(OID.ecdsaWithSha256));
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    nameOf(issuer),
    sequence(timeOf(Date.now() - DAY_MS), timeOf(Date.now() + DAY_MS)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = der(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', body, issuerKey)]));
  const text = sequence(body, algorithm, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${text.replaceAll(/(.{64})/g, '$1\n').trimEnd()}\n-----END CERTIFICATE-----\n`;
}

function nameOf(name: string): Buffer {
  return sequence(der(0x31, sequence(oid(OID.commonName), der(0x0c, Buffer.from(name)))));
}

function timeOf(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(digits));
}

function extension(name: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(name), ...(isCritical ? [BOOLEAN_TRUE] : []), der(0x04, value));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function sequence(...parts: Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const head = length < 128 ? [tag, length] : length < 256 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from(head), content]);
}
