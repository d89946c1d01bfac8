// Connects with a token that the bridge refuses. The test reads the log.
const { bus } = await import('./log.ts')
await bus.flush().catch(() => {})
await bus.close()
