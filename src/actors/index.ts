/** Entry point `huey-runtime/supervisor`: running tasks inside an existing service. */
export { createSupervisor, type CreateSupervisorOptions, type SupervisorHandle } from './create-supervisor.js';
export { createSupervisors, type SupervisorGroupOptions } from './supervisor-group.js';
export type { ConsumerState, Health, Verdict } from './health.js';
export type { SupervisorOptions } from './supervisor-options.js';
export type { RunSummary, SupervisorEvents, TaskEvent } from './supervisor-events.js';
export type { LineWriter, OutputOption, TaskLine } from './task-lines.js';
export { createLogger, type Logger, type LogFields, type LogLevel, type LogOptions } from './log.js';
