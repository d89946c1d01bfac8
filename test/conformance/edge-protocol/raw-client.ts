import { WebSocket } from 'ws'
import { type ServerLine, ServerReader } from './server-reader.ts'

/** How a connection ended. */
export interface Ending {
  readonly code: number
  readonly reason: string
}

/** Lines of a server, and the end of the connection if it ended. */
export interface Answer {
  readonly lines: ReadonlyArray<ServerLine>
  readonly ending?: Ending
}

const DEADLINE = 5_000

/** A client that sends arbitrary bytes, and reads lines with deadlines. */
export class RawClient {
  readonly #socket: WebSocket
  readonly #inbox: ServerLine[] = []
  readonly #wakers = new Set<() => void>()
  /** Every INFO, in order. */
  readonly infos: Array<Record<string, unknown>> = []
  /** Types of the WebSocket messages that the server sent. */
  readonly kinds = new Set<'binary' | 'text'>()
  /** Number of PINGs of the server. They are answered unless `answerPings` is false. */
  pings = 0
  answerPings = true
  ending: Ending | undefined
  #fault: Error | undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    const reader = new ServerReader((line) => this.#take(line))
    socket.on('message', (data, binary) => {
      this.kinds.add(binary ? 'binary' : 'text')
      try {
        reader.push(data as Buffer)
      } catch (error) {
        this.#fault ??= error as Error
      }
      this.#wake()
    })
    socket.on('close', (code, reason) => {
      this.ending = { code, reason: reason.toString() }
      this.#wake()
    })
    socket.on('error', () => {})
  }

  /** Opens a socket, without sending or reading. */
  static async open(url: string, protocols: string[] = [], origin?: string): Promise<RawClient> {
    const options = {
      perMessageDeflate: false,
      handshakeTimeout: DEADLINE,
      // Like browsers. workerd keeps the TCP connection of a client that sent nothing open after the closing handshake.
      closeTimeout: 2_000,
      ...(origin !== undefined && { origin }),
    }
    const socket = new WebSocket(url, protocols, options)
    const client = new RawClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve())
      socket.once('error', reject)
    })
    return client
  }

  get protocol(): string {
    return this.#socket.protocol
  }

  /** Sends one binary WebSocket message. */
  send(bytes: string | Uint8Array): void {
    this.#socket.send(typeof bytes === 'string' ? Buffer.from(bytes) : bytes, { binary: true })
  }

  /** Sends one text WebSocket message. */
  sendText(text: string): void {
    this.#socket.send(text, { binary: false })
  }

  /** The next line that is not INFO or PING. Undefined once the connection has ended. */
  async next(deadline: number = DEADLINE): Promise<ServerLine | undefined> {
    await this.#until(() => this.#inbox.length > 0 || this.ending !== undefined, 'a line', deadline)
    return this.#inbox.shift()
  }

  /** The next message on a subject. Skips other lines. */
  async messageOn(subject: string): Promise<ServerLine> {
    for (let line = await this.next(); line; line = await this.next()) {
      if (line.line.startsWith(`MSG ${subject} `) || line.line.startsWith(`HMSG ${subject} `)) return line
    }
    throw new Error(`The connection ended without a message on ${subject}`)
  }

  /** The first INFO. */
  async info(): Promise<Record<string, unknown>> {
    await this.#until(() => this.infos.length > 0 || this.ending !== undefined, 'INFO')
    if (!this.infos[0]) throw new Error('The connection ended without INFO')
    return this.infos[0]
  }

  /** Resolves once `check` is true for an INFO. */
  async infoWhere(check: (info: Record<string, unknown>) => boolean, deadline: number = DEADLINE): Promise<void> {
    await this.#until(() => this.infos.some(check), 'such an INFO', deadline)
  }

  /** Sends `bytes` and a PING. Returns the lines before the PONG, or before the end of the connection. */
  async exchange(bytes: string | Uint8Array = '', deadline: number = DEADLINE): Promise<Answer> {
    if (bytes.length > 0) this.send(bytes)
    if (this.#socket.readyState === WebSocket.OPEN) this.send('PING\r\n')
    return this.collect('PONG', deadline)
  }

  /** Returns the lines before the first that begins with `last`, or before the end of the connection. */
  async collect(last: string, deadline: number = DEADLINE): Promise<Answer> {
    const lines: ServerLine[] = []
    for (let line = await this.next(deadline); line; line = await this.next(deadline)) {
      if (line.line.startsWith(last)) return { lines }
      lines.push(line)
    }
    return { lines, ending: this.ending as Ending }
  }

  /** Waits for the end of the connection. */
  async ended(deadline: number = DEADLINE): Promise<Ending> {
    await this.#until(() => this.ending !== undefined, 'the end of the connection', deadline)
    return this.ending as Ending
  }

  close(code?: number): void {
    this.#socket.close(code)
  }

  /** Ends the connection without a closing handshake. */
  terminate(): void {
    this.#socket.terminate()
  }

  /** Stops reading, like a stalled client. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  #take(line: ServerLine): void {
    if (line.line === 'PING') {
      this.pings++
      if (this.answerPings && this.#socket.readyState === WebSocket.OPEN) this.send('PONG\r\n')
    } else if (line.line.startsWith('INFO ')) this.infos.push(JSON.parse(line.line.slice(5)))
    else this.#inbox.push(line)
  }

  #wake(): void {
    for (const wake of this.#wakers) wake()
  }

  async #until(condition: () => boolean, what: string, deadline: number = DEADLINE): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const check = () => {
      if (this.#fault) reject(this.#fault)
      else if (condition()) resolve()
    }
    // Created here, so that its stack names the caller.
    const late = new Error(`Waited ${deadline} ms for ${what}`)
    const timer = setTimeout(() => reject(late), deadline)
    this.#wakers.add(check)
    check()
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#wakers.delete(check)
    }
  }
}
