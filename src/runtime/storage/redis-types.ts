/** The types of ioredis that the public surface speaks of. Nothing of ioredis is loaded by them. */
export type { Cluster, Redis, RedisOptions } from 'ioredis';
