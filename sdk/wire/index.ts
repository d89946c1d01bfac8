/** The bytes of the NATS client protocol, for both ends of a connection. */
export * from './client-op.ts'
export * from './headers.ts'
export * from './server-op.ts'
export * from './server-reader.ts'
