import { SignJWT } from 'jose'
import { ROOM } from './events.ts'

interface Permissions {
  pub?: { allow: string[] }
  sub?: { allow: string[] }
}

/** Lifetime of a demo token. The page requests a new one when it reconnects. */
const LIFETIME = '1h'

/**
 * Signs a token for a visitor of the page, which may read flights, read and write messages of one room, and join its
 * presence channel.
 * Served as `{ token }` at `GET /demo/token`.
 */
export function demoToken(secret: string): Promise<string> {
  return sign(secret, `visitor-${crypto.randomUUID()}`, {
    sub: { allow: ['flights.>', `chat.${ROOM}.message`, `$EDGE.PRESENCE.${ROOM}`] },
    pub: { allow: [`chat.${ROOM}.message`, `$EDGE.PRESENCE.${ROOM}`] },
  })
}

/** Signs a token for a publisher, which may publish flights and not subscribe. */
export function publisherToken(secret: string): Promise<string> {
  return sign(secret, 'publisher', { pub: { allow: ['flights.>'] } })
}

/** Signs a token for the setup, which may create streams of the subjects that it may subscribe to. */
export function operatorToken(secret: string): Promise<string> {
  return sign(secret, 'operator', { pub: { allow: ['$JS.API.>'] }, sub: { allow: ['flights.>', 'chat.>'] } })
}

function sign(secret: string, subject: string, nats: Permissions): Promise<string> {
  return new SignJWT({ nats })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(subject)
    .setIssuedAt()
    .setExpirationTime(LIFETIME)
    .sign(new TextEncoder().encode(secret))
}
