import { SignJWT } from 'jose'
import { type Bridge, type BridgeOptions, createBridge } from '../../../../bridge/bridge.ts'
import { createEmbeddedUpstream } from '../../../../bridge/broker/embedded.ts'
import type { ClientConnection, ClientSocket } from '../../../../bridge/delivery/client-socket.ts'
import type { SessionSnapshot } from '../../../../bridge/delivery/session-snapshot.ts'
import type { Upstream } from '../../../../bridge/upstream/upstream.ts'
import { coreOf } from '../../../support/hub-core.ts'
import { openToAll } from '../../../support/open-to-all.ts'

export const SECRET = 'a secret of at least thirty-two bytes'

/** Deadline for the check of a signature on a busy machine, in ms. */
const DEADLINE = 10_000

/** A bridge with the embedded broker. Its turns end when the test calls a function. */
export function bridgeFor(options: Partial<BridgeOptions> = {}): {
  bridge: Bridge
  upstream: Upstream
  now: { ms: number }
} {
  const now = { ms: 1_800_000_000_000 }
  const upstream = options.upstream ?? createEmbeddedUpstream()
  const bridge = createBridge({
    auth: openToAll,
    log: 'off',
    clock: () => now.ms,
    schedule: () => {},
    ...options,
    upstream,
  })
  return { bridge, upstream, now }
}

/** A client in place of a host: sends bytes, and reads the output of a turn. */
export class ScriptedClient {
  readonly connection: ClientConnection
  readonly sends: Uint8Array[] = []
  readonly snapshots: SessionSnapshot[] = []
  readonly closes: Array<{ code: number; reason: string }> = []
  readonly #bridge: Bridge

  /** @param more optional members of the client's socket */
  constructor(bridge: Bridge, snapshot?: SessionSnapshot, more: Partial<ClientSocket> = {}) {
    this.#bridge = bridge
    const socket = {
      send: (bytes: Uint8Array) => void this.sends.push(bytes),
      close: (code: number, reason: string) => void this.closes.push({ code, reason }),
      persist: (state: SessionSnapshot) => void this.snapshots.push(structuredClone(state)),
      ...more,
    }
    this.connection = snapshot ? bridge.hub.restore(socket, snapshot) : bridge.hub.open(socket)
  }

  /** Connects, and drops INFO and PONG. */
  static async connected(bridge: Bridge, options: Record<string, unknown> = {}): Promise<ScriptedClient> {
    const client = new ScriptedClient(bridge)
    client.send(
      `CONNECT ${JSON.stringify({ verbose: false, headers: true, no_responders: true, ...options })}\r\nPING\r\n`,
    )
    await client.until('PONG\r\n')
    return client
  }

  send(text: string): void {
    this.connection.receive(new TextEncoder().encode(text))
  }

  /** Runs turns until the output contains `expected`, or the connection is closed. */
  async until(expected: string): Promise<string> {
    const end = performance.now() + DEADLINE
    let text = ''
    while (!text.includes(expected) && this.closes.length === 0 && performance.now() < end) text += await this.turn()
    return text
  }

  /** Settles pending promises, ends the turn, and returns its output. */
  async turn(): Promise<string> {
    await settle()
    coreOf(this.#bridge.hub).turn.flush()
    const text = this.sends.map((bytes) => new TextDecoder().decode(bytes)).join('')
    this.sends.length = 0
    return text
  }
}

/** Waits until pending promises and turns have run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}

export function sign(claims: Record<string, unknown>, secret = SECRET): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(secret))
}
