import { SignJWT } from 'jose'
import { type ServeOptions, serve } from '../../../bridge/hosts/node.ts'
import { type NatsServer, startNatsServer } from '../../support/nats-server.ts'
import type { AuditTarget, Credentials } from './audit.ts'
import { auditedContract } from './audited-contract.ts'

const everything = { allow: ['>'], deny: [] }
const limits = { connectTimeout: 1_000, pingInterval: 1_000, maxSubscriptions: 100 }

/** Secret of audited bridges. */
export const AUDIT_SECRET = 'the secret of bridges that are under audit'

/** Limits of audited bridges: short timeouts, and no rate limit. */
export const auditLimits = {
  ...limits,
  maxPending: 2 * 1024 * 1024,
  publishRate: { messages: 1_000_000, bytes: 1024 * 1024 * 1024 },
} as const

/** HS256 credentials for a bridge with this secret. */
export async function bridgeCredentials(secret: string = AUDIT_SECRET): Promise<AuditTarget['credentials']> {
  const sign = async (
    sub: string,
    pub: object,
    subscribe: object,
    expires = '1h',
    key = secret,
  ): Promise<Credentials> => ({
    auth_token: await new SignJWT({ nats: { pub, sub: subscribe } })
      .setProtectedHeader({ alg: 'HS256' })
      .setSubject(sub)
      .setExpirationTime(expires)
      .sign(new TextEncoder().encode(key)),
  })
  const publish = { allow: ['ok.>'], deny: ['ok.no'] }
  const subscribe = { allow: ['ok.>', 'in.*'], deny: ['ok.no'] }
  const narrow = { allow: ['ok.a'], deny: [] }
  return {
    full: await sign('full', everything, everything),
    limited: await sign('limited', publish, subscribe),
    narrowed: await sign('limited', narrow, narrow),
    manager: await sign('manager', { ...publish, allow: [...publish.allow, '$JS.API.>'] }, subscribe),
    other: await sign('other', publish, subscribe),
    wrong: await sign('full', everything, everything, '1h', 'a secret that is not the secret of the bridge'),
    expiring: (seconds) => sign('full', everything, everything, `${seconds}s`),
  }
}

/** A plain nats-server, as the reference. */
export async function natsServerTarget(): Promise<AuditTarget> {
  // Before the first PING, because its PONG would be a line before CONNECT.
  const connectTimeout = 400
  const server = await startNatsServer({
    config: `
      ping_interval: "1s"
      ping_max: 2
      max_subscriptions: ${limits.maxSubscriptions}
      authorization {
        timeout: ${connectTimeout / 1_000}
        users: [
          { user: full, password: full }
          { user: limited, password: limited, permissions: {
            publish: { allow: ["ok.>"], deny: ["ok.no"] }
            subscribe: { allow: ["ok.>", "in.*"], deny: ["ok.no"] }
          } }
        ]
      }`,
  })
  return {
    url: server.wsUrl,
    isBridge: false,
    credentials: {
      full: { user: 'full', pass: 'full' },
      limited: { user: 'limited', pass: 'limited' },
      wrong: { user: 'full', pass: 'wrong' },
    },
    limits: { ...limits, connectTimeout },
    close: () => server[Symbol.asyncDispose](),
  }
}

/** A bridge in front of a nats-server that can be stopped. */
export async function onNatsServer(start: (server: NatsServer) => Promise<AuditTarget>): Promise<AuditTarget> {
  const server = await startNatsServer({ jetstream: true })
  const target = await start(server)
  return {
    ...target,
    brokerVersion: server.version,
    broker: { url: server.wsUrl, credentials: {} },
    outage: { begin: () => server.stop(), end: () => server.restart() },
    async close() {
      await target.close()
      await server[Symbol.asyncDispose]()
    },
  }
}

/** The bridge on Node. */
export async function nodeTarget(upstream: ServeOptions['upstream']): Promise<AuditTarget> {
  // A clock tolerance would only delay the audit of expiry.
  const auth = { secret: AUDIT_SECRET, clockTolerance: 0 }
  const bridge = await serve({ upstream, auth, limits: auditLimits })
  const checked = await serve({ upstream, auth, log: 'off', ...auditedContract })
  await Promise.all([bridge.bridge.hub.opened, checked.bridge.hub.opened])
  return {
    url: toEndpoint(bridge.url),
    contract: { url: toEndpoint(checked.url) },
    isBridge: true,
    credentials: await bridgeCredentials(),
    limits: auditLimits,
    async close() {
      await checked.close()
      await bridge.close()
    },
  }
}

/** The WebSocket URL of a bridge. */
export function toEndpoint(url: string): string {
  return `${url.replace('http', 'ws')}/nats`
}
