/** The floor on Node: one plain socket write of a ready frame, for each client and turn. */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { allocateMessage } from '../../../bridge/hosts/node-socket.ts'
import { FloorGroups } from './floor-groups.ts'

const groups = new FloorGroups<Socket, Buffer>(setImmediate, encode, (socket, frame) => void socket.write(frame))

function encode(text: string): Buffer {
  const frame = allocateMessage(text.length, Buffer.allocUnsafeSlow)
  frame.write(text, frame.length - text.length, 'latin1')
  return frame
}

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.on('close', () => groups.leave(socket))
  // The request arrives in one piece, and the load generator does not check the key of the response.
  socket.once('data', () => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    let rest: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      rest = cut(rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk, (line) => groups.take(socket, line))
    })
  })
})

/** Passes on the text of complete frames, whose mask is zero in this benchmark. Returns the remaining bytes. */
function cut(bytes: Buffer, take: (line: string) => void): Buffer {
  for (let at = 0; ; ) {
    const short = (bytes[at + 1] ?? 0) & 127
    const start = at + (short === 126 ? 8 : 6)
    if (start > bytes.length) return bytes.subarray(at)
    const end = start + (short === 126 ? bytes.readUInt16BE(at + 2) : short)
    if (end > bytes.length) return bytes.subarray(at)
    take(bytes.toString('latin1', start, end))
    at = end
  }
}

server.listen(0, '127.0.0.1', () =>
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port} `),
)
