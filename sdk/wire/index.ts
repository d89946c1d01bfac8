/** The entry `spanwire/protocol`: encoders and decoders of the NATS client protocol, for both ends. */
export * from './client-op.ts'
export * from './headers.ts'
export * from './server-op.ts'
export * from './server-reader.ts'
