import { Batch } from './batch.ts'
import type { ClientSocket } from './client-socket.ts'
import { Flow } from './flow-control.ts'
import type { SharedBatch } from './shared-batch.ts'
import type { Turn } from './turn.ts'

const PING = new TextEncoder().encode('PING\r\n')

/** The way out to one client: gathers frames for a turn, sends them at once, and counts what the client has not read. */
export class Outlet {
  readonly #socket: ClientSocket
  readonly #turn: Turn
  readonly #maxPending: number
  readonly #overrun: () => void
  readonly #flow = new Flow()
  #batch: Batch | undefined
  /** In place of a batch of its own. */
  #shared: SharedBatch | undefined
  #joined = false
  /** In the flush of a window, which comes later. */
  #waits = false
  #closed = false
  #beforeFlush: (() => void) | undefined
  #readers: Array<{ readonly below: number; readonly run: () => void }> = []

  /** @param overrun called when the client has left more than `maxPending` bytes unread */
  constructor(socket: ClientSocket, turn: Turn, maxPending: number, overrun: () => void) {
    this.#socket = socket
    this.#turn = turn
    this.#maxPending = maxPending
    this.#overrun = overrun
  }

  /** Adds a frame to what this turn sends; or, if nothing else makes it go earlier, to what is sent within `window` ms. */
  write(frame: Uint8Array, window = 0): void {
    if (this.#closed) return
    this.part()
    this.#batch = (this.#batch ?? this.#turn.emptyBatch).with(frame)
    this.#join(window)
  }

  /** Sends what is shared and whatever is added to it, if there is nothing else to be sent. Returns whether it does. */
  share(shared: SharedBatch, window: number): boolean {
    if (this.#closed || this.#batch || this.#shared) return false
    this.#shared = shared
    this.#join(window)
    return true
  }

  /** Nothing more is added to what is shared: what is there is this client's own. */
  part(): void {
    if (!this.#shared) return
    this.#shared.closed = true
    this.#batch = this.#shared.batch
    this.#shared = undefined
  }

  /** Calls `run` once, at the end of this turn, before what was written is sent. */
  beforeFlush(run: () => void): void {
    this.#beforeFlush = run
    this.#join(0)
  }

  /** Sends a PING and counts its answer. */
  ping(): void {
    this.write(PING)
    this.#flow.pinged()
  }

  /** A PONG came in. */
  ponged(): void {
    this.#flow.ponged()
    if (this.#readers.length === 0) return
    const { unread } = this
    const ready = this.#readers.filter(({ below }) => unread < below)
    this.#readers = this.#readers.filter(({ below }) => unread >= below)
    for (const { run } of ready) run()
  }

  /** Bytes that were written and that the client has not confirmed. */
  get unread(): number {
    return this.#flow.unconfirmed + ((this.#shared?.batch ?? this.#batch)?.length ?? 0)
  }

  /** Bytes that were sent in all. */
  get sent(): number {
    return this.#flow.total
  }

  /** Calls `run` once, when the client has so much confirmed that less than `below` bytes are left. */
  whenRead(below: number, run: () => void): void {
    if (!this.#closed) this.#readers.push({ below, run })
  }

  get unansweredPings(): number {
    return this.#flow.unansweredPings
  }

  /** Sends what was gathered. */
  flush(): void {
    this.#joined = this.#waits = false
    this.#beforeFlush?.()
    this.#beforeFlush = undefined
    this.part()
    const batch = this.#batch
    if (!batch || this.#closed) return
    this.#batch = undefined
    this.#flow.sent(batch.length)
    // PONGs can be sent unread: then only the socket knows.
    if (this.#overrunBy(this.#flow.unconfirmed) || this.#overrunBy(this.#socket.unsent)) return this.#overrun()
    this.#send(batch)
    // Ask for a sign of life often enough that a client which reads is never near the limit.
    if (this.#flow.sincePing > this.#maxPending / 8) {
      this.#send(Batch.of(PING))
      this.#flow.pinged()
    }
  }

  /** Sends `last` after what was gathered, and closes. A client that doesn't read gets no more than `last`. */
  close(code: number, reason: string, last?: Uint8Array): void {
    if (this.#closed) return
    this.part()
    const batch = this.#batch
    this.#closed = true
    this.#readers = []
    this.#batch = undefined
    const overrun = this.#overrunBy(this.#flow.unconfirmed) || this.#overrunBy(this.#socket.unsent)
    if (batch && !overrun) this.#send(batch)
    if (last) this.#send(Batch.of(last))
    this.#socket.close(code, reason)
  }

  /** The socket is gone: nothing is sent any more. */
  abandon(): void {
    this.part()
    this.#closed = true
    this.#readers = []
    this.#batch = undefined
  }

  #overrunBy(bytes = 0): boolean {
    return bytes > this.#maxPending
  }

  #send(batch: Batch): void {
    this.#socket.send(batch.join(this.#socket.allocate))
  }

  #join(window: number): void {
    if (this.#joined || (window > 0 && this.#waits)) return
    if (window > 0) this.#waits = true
    else this.#joined = true
    this.#turn.join(this, window)
  }
}
