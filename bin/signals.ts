/** What the signals of a terminal or of a process manager mean to a consumer. */
import { closeSync, openSync } from 'node:fs';
import { devNull } from 'node:os';
import { isatty } from 'node:tty';

export interface SignalHandlers {
  /** The first SIGTERM or SIGINT, or SIGHUP of a terminal that is gone. */
  stop(): void;
  /** The second one: without waiting. */
  stopNow(): void;
  /** The third one: without anything. */
  exit(): void;
  /** SIGHUP otherwise. */
  reload(): void;
}

/** Ctrl-C reaches the whole group of processes, and npm or a wrapper hands it on once more: that is still one. */
const SAME_SIGINT_MS = 100;
const STDIO_FDS = [0, 1, 2];

/** Listens until the process ends. */
export function onSignals(handlers: SignalHandlers): void {
  const hadTerminal = hasTerminal();
  const terminalFds = STDIO_FDS.filter((fd) => isatty(fd));
  let stops = 0;
  let lastInterruptMs = -Infinity;
  const stop = (): void => {
    stops += 1;
    if (stops === 1) handlers.stop();
    else if (stops === 2) handlers.stopNow();
    else handlers.exit();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', () => {
    const isSame = performance.now() - lastInterruptMs < SAME_SIGINT_MS;
    lastInterruptMs = performance.now();
    if (!isSame) stop();
  });
  process.on('SIGHUP', () => {
    if (!hadTerminal || hasTerminal()) return handlers.reload();
    leaveTerminal(terminalFds);
    if (stops === 0) stop();
  });
}

/** Whether this process has a terminal that controls it: one whose end sends SIGHUP. */
function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}

/** As node ends it sets terminals as they were, and aborts where one is gone, unless the descriptor is another file's. */
function leaveTerminal(fds: readonly number[]): void {
  for (const fd of fds) {
    closeSync(fd);
    // It takes the lowest number that is free: the one just closed.
    openSync(devNull, 'r+');
  }
}
