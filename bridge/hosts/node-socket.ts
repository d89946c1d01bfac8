import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import type { Allocate, ClientSocket } from '../delivery/client-socket.ts'
import { createSlab } from '../delivery/slab.ts'

/** In bytes. Small, because a client that has stopped reading may keep a whole block alive for one frame. */
const BLOCK = 16_384
/** Time for a paused client to answer a close frame, in ms. */
const CLOSE_TIMEOUT = 500

const allocateBlock = createSlab(Buffer.allocUnsafeSlow, BLOCK)

/** Input that may wait for the rest of its WebSocket message before it is reported, in bytes. */
const MAX_UNREPORTED = 64 * 1024

/** A client's WebSocket on Node. It writes its own frames: `ws` would encode each one again for each client. */
export class NodeSocket implements ClientSocket {
  readonly #ws: WebSocket
  readonly #socket: Socket
  /** Undefined as long as nothing had to wait. */
  #backlog: Backlog | undefined
  /** Bytes of the connection that were read when the last WebSocket message was complete. */
  #readBefore: number
  /** Bytes of the connection that were read at its last input. Reading them from the socket at each output is slow. */
  #read: number
  readonly allocate: Allocate = allocateBuffer
  /** The response to the upgrade waits for the first message. */
  #isCorked = true

  /** @param socket corked, with the response to the upgrade */
  constructor(ws: WebSocket, socket: Socket) {
    this.#ws = ws
    this.#socket = socket
    this.#readBefore = this.#read = socket.bytesRead
  }

  /** Node writes IPv4 addresses as IPv6 on a socket for both. */
  get address(): string | undefined {
    return this.#socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '')
  }

  get unsent(): number {
    return this.#socket.writableLength
  }

  get held(): number {
    const { writableLength } = this.#socket
    return (this.#backlog?.heldBy(writableLength) ?? writableLength) + this.#unfinished
  }

  /** A WebSocket message is complete. */
  received(): void {
    this.#readBefore = this.#read = this.#socket.bytesRead
  }

  /** Input has arrived. Returns whether `ws` holds much of a message that is not complete. */
  grew(): boolean {
    this.#read = this.#socket.bytesRead
    return this.#unfinished > MAX_UNREPORTED
  }

  /** Bytes of the beginning of a WebSocket message. */
  get #unfinished(): number {
    return this.#read - this.#readBefore
  }

  send(bytes: Uint8Array): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return
    if (this.#isCorked) return this.#uncork(bytes)
    if (this.#socket.writableLength > 0) this.#backlog ??= new Backlog()
    writeFrame(this.#socket, bytes, this.#backlog)
  }

  #uncork(first: Uint8Array): void {
    this.#isCorked = false
    this.#socket.write(first)
    this.#socket.uncork()
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason)
    // The client's answer is behind unread bytes.
    if (this.#ws.isPaused) setTimeout(() => this.#ws.terminate(), CLOSE_TIMEOUT)
  }

  terminate(): void {
    this.#ws.terminate()
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }
}

/** Allocates a Buffer, which sockets write without a copy, with a frame header for `length` bytes. */
export function allocateBuffer(length: number): Buffer {
  return allocateMessage(length, allocateBlock)
}

/**
 * Allocates a binary message of `length` bytes behind its frame header. A server's frames have no mask, so they are the
 * same for all clients. Source: RFC 6455, section 5.2.
 * @param allocate allocates a buffer of that length
 */
export function allocateMessage<Bytes extends Uint8Array>(length: number, allocate: (length: number) => Bytes): Bytes {
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = allocate(head + length)
  frame[0] = 0x82
  frame[1] = head === 2 ? length : head === 4 ? 126 : 127
  // The extended length has 2 or 8 bytes, from the lowest one here.
  for (let at = head - 1, rest = length; at > 1; at--) {
    frame[at] = rest
    rest = Math.floor(rest / 256)
  }
  return frame
}

/** The parts of a socket that {@link writeFrame} uses. */
interface Writable {
  /** Bytes that wait in the socket. */
  readonly writableLength: number
  write(bytes: Uint8Array): unknown
}

/** A frame that waits in sockets. */
interface WaitingFrame {
  readonly bytes: Uint8Array
  /** Number of sockets in which it waits. */
  sockets: number
}

/** Memory of a write that waits, in addition to its bytes. */
const WRITE_OVERHEAD = 100

/** Frames that wait in one socket, oldest first. Other sockets may share them. */
export class Backlog {
  #frames: WaitingFrame[] = []
  /** Bytes of all frames. */
  #length = 0

  /** @param frame written when `unsent` bytes were waiting */
  add(frame: WaitingFrame, unsent: number): void {
    this.#trim(unsent)
    frame.sockets++
    this.#frames.push(frame)
    this.#length += frame.bytes.length
  }

  /** This socket's part of the memory of its frames, while `unsent` bytes of them wait. */
  heldBy(unsent: number): number {
    this.#trim(unsent)
    if (this.#frames.length === 0) return unsent
    return this.#frames.reduce((sum, { bytes, sockets }) => sum + bytes.length / sockets + WRITE_OVERHEAD, 0)
  }

  #trim(unsent: number): void {
    let sent = 0
    for (const { bytes } of this.#frames) {
      if (this.#length - bytes.length < unsent) break
      this.#length -= bytes.length
      sent++
    }
    if (sent > 0) for (const frame of this.#frames.splice(0, sent)) frame.sockets--
  }
}

/** The last shared frame, and the copy of it that waits. */
let original: Uint8Array | undefined
let waiting: WaitingFrame = { bytes: new Uint8Array(0), sockets: 0 }

/** Writes a shared frame. A socket that is behind gets a copy if the frame would keep a larger block alive. */
export function writeFrame(socket: Writable, frame: Uint8Array, backlog?: Backlog): void {
  const unsent = socket.writableLength
  if (unsent === 0) {
    socket.write(frame)
    return
  }
  // All sockets that get one frame get it one after the other, so they share the last copy.
  if (original !== frame) {
    original = frame
    waiting = { bytes: frame.length < frame.buffer.byteLength ? copyOf(frame) : frame, sockets: 0 }
  }
  backlog?.add(waiting, unsent)
  socket.write(waiting.bytes)
}

function copyOf(frame: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(frame.length)
  copy.set(frame)
  return copy
}
