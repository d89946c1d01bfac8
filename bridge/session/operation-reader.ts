import type { ClientOp } from '../../sdk/wire/client-op.ts'
import { type FrameHandler, Framer } from '../../sdk/wire/client-reader.ts'
import { isSpanwireError } from '../../sdk/wire/errors.ts'
import type { Limits } from '../auth/limits.ts'
import type { ClientSocket } from '../delivery/client-socket.ts'
import type { Turn } from '../delivery/turn.ts'
import { type CloseReason, closeReasons } from './close-reason.ts'

/** Operations of one client in one turn. The rest waits for the next turn, about 0.2 ms later, so that others get theirs. */
const OPERATIONS_PER_TURN = 32

/** A smaller change of memory is not reported, in bytes: most messages arrive in full. */
const MEMORY_STEP = 4_096

type LineLimits = Pick<Limits, 'maxControlLine' | 'maxConnectLine'>

export type PublishOp = Extract<ClientOp, { verb: 'PUB' }>

/** The session, as its reader uses it. */
export interface OperationHandler {
  /** Whether operations may be performed now. False while a token is checked, and after the end. */
  readonly isReadable: boolean
  /** Parses a control line. Returns undefined if it has closed the connection. @throws SpanwireError `protocol-violation` */
  parse(line: string): ClientOp | undefined
  perform(op: ClientOp, payload: Uint8Array | undefined): void
  /** Closes the connection: the bytes are not the NATS protocol. */
  end(reason: CloseReason): void
  /** {@link OperationReader.midOperation} has changed. */
  changed(): void
  /** {@link OperationReader.memory} has changed. */
  memoryChanged(): void
}

/** Cuts the bytes of one client into operations and performs them in order, a bounded number per turn. */
export class OperationReader implements FrameHandler {
  readonly #handler: OperationHandler
  readonly #socket: ClientSocket
  readonly #turn: Turn
  readonly #framer: Framer
  readonly #maxConnectLine: number
  /** The PUB whose payload comes next. */
  #publishing: PublishOp | undefined
  #budget = 0
  /** Waits for the next turn. */
  #isYielding = false
  #midOperation = false
  /** {@link memory} as reported last. */
  #reported = 0
  /** Why a line that is too long closes the connection. */
  #tooLong: CloseReason = closeReasons.maxControlLine

  constructor(handler: OperationHandler, socket: ClientSocket, turn: Turn, limits: LineLimits) {
    this.#handler = handler
    this.#socket = socket
    this.#turn = turn
    this.#maxConnectLine = limits.maxConnectLine
    this.#framer = new Framer(this, limits.maxControlLine)
  }

  /** Whether the client has sent the beginning of an operation. */
  get midOperation(): boolean {
    return this.#midOperation
  }

  /** Bytes that wait because the reader is paused. */
  get waiting(): number {
    return this.#framer.paused ? this.#framer.held : 0
  }

  /** Memory of input that is not processed yet, in bytes. */
  get memory(): number {
    return this.#framer.memory
  }

  push(bytes: Uint8Array): void {
    this.#read(() => this.#framer.push(bytes), OPERATIONS_PER_TURN)
  }

  /** Performs operations that wait. Reads the socket again once none are left. */
  resume(budget: number = OPERATIONS_PER_TURN): void {
    this.#isYielding = false
    if (!this.#handler.isReadable) return
    this.#read(() => this.#framer.resume(), budget)
    if (!this.#isYielding && this.#handler.isReadable) this.#socket.resume?.()
  }

  /** Performs all operations that wait, without a limit for this turn. */
  readAll(): void {
    this.#read(() => this.#framer.resume(), Number.POSITIVE_INFINITY)
  }

  /** Performs operations that wait for another turn now: the socket is closed. */
  readRest(): void {
    if (this.#isYielding) this.resume(Number.POSITIVE_INFINITY)
  }

  /** Drops all operations that wait. */
  stop(): void {
    this.#framer.close()
    if (this.#isYielding) this.#socket.resume?.()
  }

  #read(next: () => void, budget: number): void {
    this.#budget = budget
    try {
      next()
    } catch (error) {
      const isTooLong = isSpanwireError(error, 'payload-too-large')
      this.#handler.end(isTooLong ? this.#tooLong : closeReasons.protocol)
    }
    if (this.#budget <= 0 && this.#framer.paused && this.#handler.isReadable && !this.#isYielding) {
      this.#isYielding = true
      this.#socket.pause?.()
      this.#turn.join({ flush: () => this.resume() })
    }
    const { memory } = this.#framer
    if (Math.abs(memory - this.#reported) >= MEMORY_STEP || (memory === 0 && this.#reported > 0)) {
      this.#reported = memory
      this.#handler.memoryChanged()
    }
    const midOperation = this.#framer.midway
    if (midOperation === this.#midOperation) return
    this.#midOperation = midOperation
    this.#handler.changed()
  }

  /** A CONNECT may be longer than other lines. */
  longLine(line: Uint8Array): boolean {
    const isConnectLine = isConnect(line)
    this.#tooLong = isConnectLine ? closeReasons.maxConnectLine : closeReasons.maxControlLine
    return isConnectLine && line.length <= this.#maxConnectLine
  }

  /** Returns the size of the payload that follows; -1 if none does. */
  line(line: string): number {
    const op = this.#handler.parse(line)
    if (!op) return -1
    if (op.verb === 'PUB') {
      this.#publishing = op
      return op.size
    }
    this.#perform(op, undefined)
    return -1
  }

  payload(payload: Uint8Array): void {
    const op = this.#publishing as PublishOp
    this.#publishing = undefined
    this.#perform(op, payload)
  }

  /** Operations after a CONNECT wait until its token is checked. */
  #perform(op: ClientOp, payload: Uint8Array | undefined): void {
    this.#handler.perform(op, payload)
    if (--this.#budget <= 0 || !this.#handler.isReadable) this.#framer.pause()
  }
}

function isConnect(line: Uint8Array): boolean {
  return /^CONNECT/i.test(String.fromCharCode(...line.subarray(0, 7)))
}
