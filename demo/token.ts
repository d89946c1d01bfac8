import { SignJWT } from 'jose'

interface Permissions {
  pub?: { allow: string[] }
  sub?: { allow: string[] }
}

/** How long a token of the demo is good for; the page asks for another when it connects again. */
const LIFETIME = '1h'

/**
 * A token for a visitor of the demo page: may read the flights, read and write the chat, and be seen there.
 * Served as `{ token }` at `GET /demo/token`.
 */
export function demoToken(secret: string): Promise<string> {
  return sign(secret, `visitor-${crypto.randomUUID()}`, {
    sub: { allow: ['flights.>', 'chat.>', '$EDGE.PRESENCE.lobby'] },
    pub: { allow: ['chat.>', '$EDGE.PRESENCE.lobby'] },
  })
}

/** A token for a publisher of the demo: may publish flights, and read nothing. */
export function publisherToken(secret: string): Promise<string> {
  return sign(secret, 'publisher', { pub: { allow: ['flights.>'] } })
}

/** A token for whoever sets the demo up: may make streams, of what it may read itself. */
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
