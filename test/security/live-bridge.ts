import { SignJWT } from 'jose'
import type { ServeOptions } from '../../bridge/hosts/bridge-server.ts'
import { type BridgeServer, serve } from '../../bridge/hosts/node.ts'
import { connectLine } from '../conformance/edge-protocol/audit.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'
import { coreOf } from '../support/hub-core.ts'
import { type NatsServer, type NatsServerOptions, startNatsServer } from '../support/nats-server.ts'
import { SECRET } from '../support/token.ts'

export const everything = { pub: { allow: ['>'] }, sub: { allow: ['>'] } }

/** Signs claims like an application, for one hour by default. */
export function sign(
  claims: Record<string, unknown>,
  key: Uint8Array | CryptoKey = new TextEncoder().encode(SECRET),
  header: Record<string, unknown> & { alg: string } = { alg: 'HS256' },
): Promise<string> {
  const exp = Math.floor(Date.now() / 1000) + 3_600
  return new SignJWT({ exp, ...claims }).setProtectedHeader(header).sign(key)
}

const running = new Set<BridgeServer>()

/** Bridges of one test file, on one real nats-server without authentication. */
export class LiveBridges {
  readonly nats: NatsServer
  readonly #bridges: BridgeServer[] = []

  private constructor(nats: NatsServer) {
    this.nats = nats
  }

  static async start(options: NatsServerOptions = {}): Promise<LiveBridges> {
    return new LiveBridges(await startNatsServer(options))
  }

  async serve(options: Omit<ServeOptions, 'upstream'>): Promise<BridgeServer> {
    const server = await serve({ upstream: this.nats.url, ...options })
    this.#bridges.push(server)
    running.add(server)
    await server.bridge.hub.opened
    return server
  }

  /** A client of the nats-server itself, which receives all messages of the bridges. */
  async atNats(): Promise<RawClient> {
    return connected(this.nats.wsUrl, {})
  }

  async close(): Promise<void> {
    for (const bridge of this.#bridges) running.delete(bridge)
    await Promise.all(this.#bridges.map((bridge) => bridge.close()))
    await this.nats[Symbol.asyncDispose]()
  }
}

export const socketUrl = (bridge: BridgeServer) => `${bridge.url.replace('http', 'ws')}/nats`

/** Connects a client. @throws if it is rejected */
export async function connected(where: BridgeServer | string, credentials: object): Promise<RawClient> {
  const client = await RawClient.open(typeof where === 'string' ? where : socketUrl(where))
  client.send(connectLine(credentials, {}))
  const { lines, ending } = await client.exchange()
  if (ending) throw new Error(`CONNECT was refused: ${lines.map(({ line }) => line).join()} ${ending.reason}`)
  return client
}

/** The `-ERR` of a client that is rejected. Undefined if it is accepted. */
export async function refusal(bridge: BridgeServer, credentials: object): Promise<string | undefined> {
  const client = await RawClient.open(socketUrl(bridge))
  client.send(connectLine(credentials, {}))
  const { lines, ending } = await client.exchange()
  client.terminate()
  return ending && `${lines.map(({ line }) => line).join()} ${ending.code}`
}

export const REFUSED = "-ERR 'Authorization Violation' 1008"

export function post(bridge: BridgeServer, path: string, token: string, init: RequestInit = {}): Promise<Response> {
  const headers = { Authorization: `Bearer ${token}`, ...(init.headers as Record<string, string>) }
  return fetch(`${bridge.url}${path}`, { method: 'POST', ...init, headers })
}

/** All lines so far. Messages published before are included, or are never delivered. */
export async function linesOf(client: RawClient, atNats: RawClient): Promise<string[]> {
  await atNats.exchange()
  // A bridge answers PING before messages that are on their way from the broker, so wait for those first.
  await Promise.all(
    [...running].map(({ bridge: { hub } }) =>
      coreOf(hub).upstream.confirm(coreOf(hub).publish({ subject: '_INBOX.unused', payload: new Uint8Array(0) })),
    ),
  )
  return (await client.exchange()).lines.map(({ line }) => line)
}
