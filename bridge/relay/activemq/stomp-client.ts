/** A STOMP 1.2 client for one connection. It does not reconnect. The relay opens another client. */
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { decode } from '../../../sdk/wire/bytes.ts'
import { isSpanwireError, SpanwireError } from '../../../sdk/wire/errors.ts'
import { encodeFrame, headerOf, type StompFrame, StompReader } from './stomp-frame.ts'

/** The address and the credentials of a broker. */
export interface StompAddress {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly user: string
  readonly password: string
  readonly vhost: string
}

/** Receives messages and the end of a connection. Its methods do not throw. */
export interface StompHandler {
  /** Called with each MESSAGE frame. */
  message(frame: StompFrame): void
  /** Called at most once, and not after `disconnect`. */
  ended(error: SpanwireError): void
}

/** The time until the broker accepts the connection, in ms. */
const CONNECT_TIMEOUT = 5_000
/** Each side sends a byte within this time, in ms. Silence for twice that time ends the connection. */
const HEARTBEAT = 10_000
/** The time for the answer to DISCONNECT, in ms. */
const FAREWELL = 2_000

/** A connection that is open. */
export class StompClient {
  /** The server header of the broker, such as `ActiveMQ/5.17.2`. */
  readonly server: string
  readonly #socket: Socket
  readonly #reader: StompReader
  readonly #handler: StompHandler
  readonly #receipts = new Map<string, PromiseWithResolvers<void>>()
  readonly #beats: Array<ReturnType<typeof setInterval>> = []
  #count = 0
  #heard = performance.now()
  #isPaused = false
  #isEnding = false
  #failure: SpanwireError | undefined

  /**
   * Connects. Resolves once the broker has accepted the user.
   * @param mostBody the largest body of a message, in bytes
   * @throws SpanwireError (as rejection) `broker-unavailable`, `authentication-failed`
   */
  static async connect(address: StompAddress, mostBody: number, handler: StompHandler): Promise<StompClient> {
    const { host, port, tls, user, password, vhost } = address
    const socket = tls ? connectTls({ host, port, servername: host }) : connectTcp({ host, port, noDelay: true })
    const reader = new StompReader(mostBody)
    const { promise, resolve, reject } = Promise.withResolvers<StompFrame>()
    const fail = (error: Error) => reject(unavailable(address, error.message, error))
    const timer = setTimeout(() => fail(new Error(`no answer within ${CONNECT_TIMEOUT} ms`)), CONNECT_TIMEOUT)
    const early: StompFrame[] = []
    const read = (chunk: Buffer) => {
      try {
        early.push(...reader.push(chunk))
        if (early[0]) resolve(early[0])
      } catch (error) {
        reject(error)
      }
    }
    socket.on('data', read)
    socket.on('error', fail)
    socket.once('close', () => fail(new Error('the connection was closed')))
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      const login =
        user === ''
          ? []
          : ([
              ['login', user],
              ['passcode', password],
            ] as const)
      const headers = [
        ['accept-version', '1.2'],
        ['host', vhost],
        ['heart-beat', `${HEARTBEAT},${HEARTBEAT}`],
      ] as const
      socket.write(encodeFrame('CONNECT', [...headers, ...login]))
    })
    try {
      const first = await promise
      if (first.command !== 'CONNECTED') throw refusal(first)
      socket.off('data', read)
      return new StompClient(socket, reader, handler, early)
    } catch (error) {
      socket.destroy()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(socket: Socket, reader: StompReader, handler: StompHandler, early: readonly StompFrame[]) {
    this.#socket = socket
    this.#reader = reader
    this.#handler = handler
    const [connected, ...frames] = early
    this.server = (connected && headerOf(connected, 'server')) ?? ''
    const [sends = '0', wants = '0'] = ((connected && headerOf(connected, 'heart-beat')) ?? '').split(',')
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', (error) => this.#end(toError(error)))
    socket.on('close', () => this.#end(new SpanwireError('broker-unavailable', 'STOMP: the connection was closed.')))
    if (Number(wants) > 0)
      this.#beats.push(setInterval(() => socket.write('\n'), Math.max(HEARTBEAT, Number(wants)) / 2))
    if (Number(sends) > 0) this.#beats.push(setInterval(() => this.#check(), HEARTBEAT))
    for (const frame of frames) this.#take(frame)
  }

  /** Sends a frame. An error of the socket ends the connection. */
  write(command: string, headers: StompFrame['headers'], body?: Uint8Array): void {
    if (!this.#failure) this.#socket.write(encodeFrame(command, headers, body))
  }

  /**
   * Sends a frame. Resolves when the broker confirms it by a receipt.
   * @throws SpanwireError (as rejection) the error that ended the connection
   */
  async confirm(command: string, headers: StompFrame['headers'], body?: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure
    const receipt = String(++this.#count)
    const confirmed = Promise.withResolvers<void>()
    this.#receipts.set(receipt, confirmed)
    this.write(command, [...headers, ['receipt', receipt]], body)
    await confirmed.promise
  }

  /** Stops reading from the socket until `resume`. */
  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#heard = performance.now()
    this.#socket.resume()
  }

  /** Sends the queued frames, and closes. Never rejects. */
  async disconnect(): Promise<void> {
    if (this.#failure || this.#isEnding) return
    this.#isEnding = true
    this.resume()
    const late = setTimeout(() => this.#end(new SpanwireError('aborted', 'STOMP: no answer to DISCONNECT.')), FAREWELL)
    await this.confirm('DISCONNECT', []).catch(() => {})
    clearTimeout(late)
    this.#end(new SpanwireError('aborted', 'STOMP: the connection was closed.'))
  }

  #read(chunk: Buffer): void {
    this.#heard = performance.now()
    try {
      for (const frame of this.#reader.push(chunk)) this.#take(frame)
    } catch (error) {
      this.#end(toError(error))
    }
  }

  #take(frame: StompFrame): void {
    if (frame.command === 'MESSAGE') return this.#isEnding ? undefined : this.#handler.message(frame)
    const receipt = headerOf(frame, 'receipt-id') ?? ''
    if (frame.command === 'RECEIPT') this.#receipts.get(receipt)?.resolve()
    this.#receipts.delete(receipt)
    // The broker closes the connection after it.
    if (frame.command === 'ERROR') this.#end(refusal(frame))
  }

  #check(): void {
    if (!this.#isPaused && performance.now() - this.#heard > 2 * HEARTBEAT)
      this.#end(new SpanwireError('broker-unavailable', `STOMP: no byte from the broker within ${2 * HEARTBEAT} ms.`))
  }

  #end(error: SpanwireError): void {
    if (this.#failure) return
    this.#failure = error
    for (const beat of this.#beats) clearInterval(beat)
    this.#socket.destroy()
    for (const { reject } of this.#receipts.values()) reject(error)
    this.#receipts.clear()
    if (!this.#isEnding) this.#handler.ended(error)
  }
}

function unavailable({ host, port }: StompAddress, why: string, cause: Error): SpanwireError {
  return new SpanwireError('broker-unavailable', `STOMP: no connection to ${host}:${port}: ${why}.`, { cause })
}

function toError(error: unknown): SpanwireError {
  return isSpanwireError(error)
    ? error
    : new SpanwireError('broker-unavailable', `STOMP: ${messageOf(error)}.`, { cause: error })
}

/** Returns the error for an ERROR frame. Brokers send a text without a code. */
function refusal(frame: StompFrame): SpanwireError {
  const text = [headerOf(frame, 'message') ?? frame.command, decode(frame.body.subarray(0, 300))]
    .filter(Boolean)
    .join(' ')
  if (/access[ _-]?refused|bad connect|authenticat|user name|password|invalid credentials|security/i.test(text))
    return new SpanwireError('authentication-failed', `STOMP: the broker refuses the user: ${text}`)
  if (/authoriz|not allowed|unknown destination|not_found|not found|does not exist|AMQ339/i.test(text))
    return new SpanwireError('broker-refused', `STOMP: the broker refuses: ${text}`)
  return new SpanwireError('broker-unavailable', `STOMP: the broker reports an error: ${text}`)
}
