import type { SessionSnapshot } from '../bridge/delivery/session-snapshot.ts'
import type { HibernatableSocket, SyncStore } from './runtime.ts'

/** What a socket carries: its session, or where that is kept if it is too large to be carried. */
type Attachment = { readonly session: SessionSnapshot } | { readonly storedAs: string } | { readonly lost: true }

const PREFIX = 'session:'

/**
 * Keeps sessions beyond the object's memory: on the socket itself (at most 16 KiB), else in the object's storage
 * (at most 2 MB, and billed by the row, so only then).
 */
export class Snapshots {
  readonly #store: SyncStore
  readonly #keys = new WeakMap<HibernatableSocket, string>()

  constructor(store: SyncStore) {
    this.#store = store
  }

  /** Never throws: a session that can't be kept is lost with the object's memory, and only then. */
  save(socket: HibernatableSocket, session: SessionSnapshot): void {
    if (attach(socket, { session })) return this.forget(socket)
    const key = this.#keys.get(socket) ?? `${PREFIX}${crypto.randomUUID()}`
    try {
      this.#store.put(key, session)
      if (attach(socket, { storedAs: key })) this.#keys.set(socket, key)
    } catch {
      attach(socket, { lost: true })
    }
  }

  load(socket: HibernatableSocket): SessionSnapshot | undefined {
    const attachment = socket.deserializeAttachment() as Attachment | null
    if (!attachment) return undefined
    if ('session' in attachment) return attachment.session
    if (!('storedAs' in attachment)) return undefined
    this.#keys.set(socket, attachment.storedAs)
    return this.#store.get(attachment.storedAs) as SessionSnapshot | undefined
  }

  /** Gives up what the storage holds for this socket. */
  forget(socket: HibernatableSocket): void {
    const key = this.#keys.get(socket)
    if (key === undefined) return
    this.#keys.delete(socket)
    this.#store.delete(key)
  }

  /** Gives up what the storage holds for sockets that ended while the object was not there to see it. */
  sweep(sockets: readonly HibernatableSocket[]): void {
    const live = new Set(sockets.map((socket) => this.#keys.get(socket)))
    for (const [key] of [...this.#store.list({ prefix: PREFIX })]) if (!live.has(key)) this.#store.delete(key)
  }
}

function attach(socket: HibernatableSocket, attachment: Attachment): boolean {
  try {
    socket.serializeAttachment(attachment)
    return true
  } catch {
    return false
  }
}
