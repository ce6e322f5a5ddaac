/** Log lines: for people on a terminal, or JSON lines for programs. Never arguments or results of tasks. */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type LogFields = Record<string, string | number | boolean | undefined>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

export interface LogOptions {
  level: LogLevel | 'silent';
  format: 'text' | 'json';
  /** Message alone, without time and level. */
  simple?: boolean;
  colors?: boolean;
  write: (line: string) => void;
}

const ORDER = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 } as const;
const COLORS = { debug: 90, info: 36, warn: 33, error: 31 } as const;

export const silentLogger: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

export function createLogger(options: LogOptions): Logger {
  const at = (level: LogLevel) =>
    ORDER[level] < ORDER[options.level]
      ? nothing
      : (message: string, fields?: LogFields) => options.write(logLine(options, level, message, fields));
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** With its newline. */
export function logLine(options: Omit<LogOptions, 'level' | 'write'>, level: LogLevel, message: string, fields: LogFields = {}): string {
  return `${textOf(options, level, message, fields)}\n`;
}

function textOf(options: Omit<LogOptions, 'level' | 'write'>, level: LogLevel, message: string, fields: LogFields): string {
  const now = new Date();
  if (options.format === 'json') return JSON.stringify({ time: now.toISOString(), level, message, ...fields });
  const dim = (text: string): string => (options.colors ? `\u001b[90m${text}\u001b[0m` : text);
  const details = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => dim(`${key}=`) + quoted(value))
    .join(' ');
  const text = details === '' ? message : `${message}  ${details}`;
  if (options.simple) return text;
  const word = level.toUpperCase().padEnd(5);
  return `${dim(clockTime(now))} ${options.colors ? `\u001b[${COLORS[level]}m${word}\u001b[0m` : word} ${text}`;
}

function clockTime(now: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}.${String(now.getMilliseconds()).padStart(3, '0')}`;
}

function quoted(value: unknown): string {
  const text = String(value);
  return /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

function nothing(): void {
  // Below the level that was asked for.
}
