/**
 * What can be asked, or seen, of a consumer's health from outside its process:
 *  - an HTTP port with GET /live and GET /ready: 200 or 503, and the reasons as JSON;
 *  - a file that is touched while the consumer lives, for probes that run a command.
 */
import { rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigurationError } from '../runtime/errors.js';
import { HEALTH_FILE_INTERVAL_MS } from '../runtime/limits.js';
import type { Health } from './health.js';
import type { Logger } from './log.js';

export interface HealthSettings {
  /** undefined: none; 0: any that is free, which the log tells. */
  port: number | undefined;
  host: string;
  file: string | undefined;
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use',
  EACCES: 'this user may not use the port',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no such host',
};

export class HealthSigns {
  readonly #settings: HealthSettings;
  readonly #look: () => Promise<Health>;
  readonly #log: Logger;
  #server: Server | undefined;
  #timer: NodeJS.Timeout | undefined;
  #touching: Promise<void> = Promise.resolve();
  #isClosed = false;

  /** Resolves when the port answers and the file is there. @throws ConfigurationError where that cannot be. */
  static async open(settings: HealthSettings, look: () => Promise<Health>, log: Logger): Promise<HealthSigns> {
    const signs = new HealthSigns(settings, look, log);
    try {
      if (settings.port !== undefined) await signs.#listen(settings.port, settings.host);
      if (settings.file !== undefined) await signs.#beginToTouch(settings.file);
    } catch (error) {
      await signs.close();
      throw error;
    }
    return signs;
  }

  private constructor(settings: HealthSettings, look: () => Promise<Health>, log: Logger) {
    this.#settings = settings;
    this.#look = look;
    this.#log = log;
  }

  /** The file goes too: what has ended in good order does not live. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#server?.close();
    this.#server?.closeAllConnections();
    await this.#touching;
    if (this.#settings.file !== undefined && this.#timer !== undefined)
      await rm(this.#settings.file, { force: true }).catch(() => undefined);
  }

  async #listen(port: number, host: string): Promise<void> {
    const server = createServer((request, response) => void this.#answer(request, response));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    }).catch((error: NodeJS.ErrnoException) => {
      const reason = REASONS[error.code ?? ''] ?? error.message;
      throw new ConfigurationError(
        `the health server cannot listen on ${host}:${port}: ${reason}; choose another --health-port`,
        'health-port',
      );
    });
    server.on('error', (error) => this.#log.warn('the health server failed', { error: error.message }));
    const { port: actual } = server.address() as AddressInfo;
    this.#log.info('health can be asked for', { live: urlOf(host, actual, '/live'), ready: urlOf(host, actual, '/ready') });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method, url = '' } = request;
    const [path = ''] = url.split('?', 1);
    if (path !== '/live' && path !== '/ready') return send(response, 404, { error: 'there are /live and /ready' });
    if (method !== 'GET' && method !== 'HEAD') return send(response, 405, { error: 'only GET' });
    const health = await this.#look();
    const { ok, reasons } = path === '/live' ? health.live : health.ready;
    send(response, ok ? 200 : 503, { ok, state: health.state, reasons });
  }

  async #beginToTouch(file: string): Promise<void> {
    try {
      await writeFile(file, '');
    } catch (error) {
      throw new ConfigurationError(
        `the health file cannot be written: ${(error as Error).message}; choose another --health-file`,
        'health-file',
      );
    }
    let isTold = false;
    const touch = async (): Promise<void> => {
      const { live } = await this.#look();
      // Writing sets its time, and brings it back where somebody removed it.
      if (live.ok && !this.#isClosed) await writeFile(file, `${new Date().toISOString()}\n`);
    };
    const again = (): void => {
      this.#touching = touch().catch((error: unknown) => {
        if (!isTold) this.#log.warn('the health file cannot be written', { error: (error as Error).message });
        isTold = true;
      });
      void this.#touching.then(() => {
        if (!this.#isClosed) this.#timer = setTimeout(again, HEALTH_FILE_INTERVAL_MS);
      });
    };
    this.#timer = setTimeout(again, 0);
  }
}

function send(response: ServerResponse, status: number, body: Record<string, unknown>): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' });
  response.end(`${JSON.stringify(body)}\n`);
}

function urlOf(host: string, port: number, path: string): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}${path}`;
}
