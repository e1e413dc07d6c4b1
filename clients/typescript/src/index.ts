/** Client of readstate's REST gateway. Begin with {@link ReadState}. @packageDocumentation */

export { ReadState, type ReadStateOptions } from './client.js';
export * from './errors.js';
export type { CallOptions } from './http.js';
export type * from './notifications.js';
export type * from './system-events.js';
export type { TokenSource } from './token.js';
