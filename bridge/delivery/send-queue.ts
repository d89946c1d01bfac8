import { Batch } from './batch.ts'
import type { ClientSocket } from './client-socket.ts'
import { HeldMessages } from './held-messages.ts'
import type { SharedBatch } from './shared-batch.ts'
import type { Turn } from './turn.ts'

/** A client is behind if it has left more than this part of `maxPending` unread. PINGs are sent twice as often. */
export const BEHIND: number = 1 / 4

const PING = new TextEncoder().encode('PING\r\n')

/**
 * Counts bytes that a client was sent and has not confirmed. A client confirms by a PONG: it has read all bytes
 * sent before the PING. Works without `bufferedAmount`, which not every runtime has.
 */
export class FlowControl {
  /** Bytes sent since the last answered PING. */
  unconfirmed = 0
  /** All bytes sent. */
  total = 0
  /** Bytes sent since the last PING. */
  sincePing = 0
  /** Bytes that each unanswered PING will confirm, oldest first. */
  readonly #pings: number[] = []

  sent(bytes: number): void {
    this.unconfirmed += bytes
    this.total += bytes
    this.sincePing += bytes
  }

  get unansweredPings(): number {
    return this.#pings.length
  }

  pingSent(): void {
    this.#pings.push(this.sincePing)
    this.sincePing = 0
  }

  /** A PONG without a PING confirms nothing. */
  pongReceived(): void {
    this.unconfirmed -= this.#pings.shift() ?? 0
  }
}

/** The parts of a {@link SendQueue} that subscriptions use. */
export type FrameSink = Pick<SendQueue, 'write' | 'share' | 'unread' | 'whenRead' | 'held'>

/** Events of a {@link SendQueue}. */
export interface SendQueueHandler {
  /** The client has left more than `maxPending` bytes unread. */
  slowConsumer(): void
  /** More or fewer bytes wait in the socket or are held. */
  memoryChanged(): void
}

/** Collects the frames of one client during a turn, sends them together, and finds slow consumers. */
export class SendQueue {
  readonly #socket: ClientSocket
  readonly #turn: Turn
  readonly #maxPending: number
  readonly #handler: SendQueueHandler
  /** Messages that subscriptions hold while the client is behind. */
  readonly held: HeldMessages
  readonly #flow = new FlowControl()
  #batch: Batch | undefined
  /** Replaces `#batch` while the client gets the same as the rest of its group. */
  #shared: SharedBatch | undefined
  #joined = false
  /** Joined a flush at the end of a window, which is later than the end of the turn. */
  #waits = false
  #closed = false
  #beforeFlush: (() => void) | undefined
  #readers: Array<{ readonly below: number; readonly run: () => void }> = []
  /** Memory of the socket after the last flush, in bytes. */
  #socketMemory = 0

  constructor(socket: ClientSocket, turn: Turn, maxPending: number, handler: SendQueueHandler) {
    this.#socket = socket
    this.#turn = turn
    this.#maxPending = maxPending
    this.#handler = handler
    this.held = new HeldMessages(maxPending * BEHIND, () => handler.memoryChanged())
  }

  /** Adds a frame. It is sent at the end of the turn, or after `window` ms unless an earlier write includes it. */
  write(frame: Uint8Array, window = 0): void {
    if (this.#closed) return
    this.unshare()
    this.#batch = (this.#batch ?? this.#turn.emptyBatch).with(frame)
    // Not only at the flush: one message may be a frame for each of a thousand subscriptions.
    if (this.#batch.length + this.#flow.unconfirmed > this.#maxPending) return this.#handler.slowConsumer()
    this.#join(window)
  }

  /** Sends the shared batch, with frames that are added to it later, if nothing else is queued. Returns whether it does. */
  share(shared: SharedBatch, window: number): boolean {
    if (this.#closed || this.#batch || this.#shared) return false
    this.#shared = shared
    this.#join(window)
    return true
  }

  /** Closes the shared batch. Its frames so far become this client's own batch. */
  unshare(): void {
    if (!this.#shared) return
    this.#shared.closed = true
    this.#batch = this.#shared.batch
    this.#shared = undefined
  }

  /** Calls `run` once, at the end of the turn, before queued frames are sent. */
  beforeFlush(run: () => void): void {
    this.#beforeFlush = run
    this.#join(0)
  }

  /** Sends a PING. Its PONG is expected. */
  ping(): void {
    this.write(PING)
    this.#flow.pingSent()
  }

  pongReceived(): void {
    this.#flow.pongReceived()
    if (this.#readers.length === 0) return
    const { unread } = this
    const ready = this.#readers.filter(({ below }) => unread < below)
    this.#readers = this.#readers.filter(({ below }) => unread >= below)
    for (const { run } of ready) run()
  }

  /** Bytes that were queued or sent and that the client has not confirmed. */
  get unread(): number {
    return this.#flow.unconfirmed + ((this.#shared?.batch ?? this.#batch)?.length ?? 0)
  }

  /** All bytes that were sent. */
  get sent(): number {
    return this.#flow.total
  }

  get unansweredPings(): number {
    return this.#flow.unansweredPings
  }

  /** Calls `run` once, as soon as fewer than `below` bytes are unread. */
  whenRead(below: number, run: () => void): void {
    if (!this.#closed) this.#readers.push({ below, run })
  }

  /** Sends the queued frames. This is where a slow consumer is found. */
  flush(): void {
    this.#joined = this.#waits = false
    this.#beforeFlush?.()
    this.#beforeFlush = undefined
    this.unshare()
    const batch = this.#batch
    if (!batch || this.#closed) return
    this.#batch = undefined
    this.#flow.sent(batch.length)
    if (this.#isSlowConsumer) return this.#handler.slowConsumer()
    this.#send(batch)
    // Often enough that a client which reads never comes near the limit.
    if (this.#flow.sincePing > this.#maxPending / 8) {
      this.#send(Batch.of(PING))
      this.#flow.pingSent()
    }
    const memory = this.#socket.held ?? this.#socket.unsent ?? 0
    if (memory === this.#socketMemory) return
    this.#socketMemory = memory
    this.#handler.memoryChanged()
  }

  /** Sends the queued frames and `last`, and closes the socket. A slow consumer is sent `last` only. */
  close({ code, text }: { readonly code: number; readonly text: string }, last?: Uint8Array): void {
    if (this.#closed) return
    const isSlow = this.#isSlowConsumer
    const batch = this.#end()
    if (batch && !isSlow) this.#send(batch)
    if (last) this.#send(Batch.of(last))
    this.#socket.close(code, text)
  }

  /** The socket is closed. Later frames are dropped. */
  abandon(): void {
    this.#end()
  }

  /** PONGs can be sent unread, so the bytes in the socket count as well. */
  get #isSlowConsumer(): boolean {
    return Math.max(this.#flow.unconfirmed, this.#socket.unsent ?? 0) > this.#maxPending
  }

  #end(): Batch | undefined {
    this.unshare()
    const batch = this.#batch
    this.#closed = true
    this.#readers = []
    this.#batch = undefined
    this.held.close()
    return batch
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
