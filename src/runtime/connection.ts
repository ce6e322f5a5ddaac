/** Where a queue is kept, as data that can cross threads. */

export type ConnectionSpec =
  | { kind: 'redis'; url?: string; options?: Record<string, unknown>; cluster?: { nodes: unknown[]; options?: Record<string, unknown> } }
  | { kind: 'sqlite'; filename: string }
  | { kind: 'memory' };
