import { SpanwireError } from '../../../sdk/wire/errors.ts'

/**
 * Checks that the client for an upstream's address is installed: a bridge without it would try to connect for ever.
 * @throws SpanwireError `unsupported`
 */
export function requireNatsClient(upstream: string): void {
  const name = /^\s*(nats|tls):/.test(upstream) ? 'nats' : /^\s*wss?:/.test(upstream) ? 'nats.ws' : undefined
  if (name === undefined) return
  try {
    import.meta.resolve(name)
  } catch (cause) {
    throw new SpanwireError(
      'unsupported',
      `The package ${name} is not installed: run "npm install ${name}" (or: npx -p spanwire -p ${name} spanwire …).`,
      { cause },
    )
  }
}
