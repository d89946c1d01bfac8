/** How a client of each system says what it wants. */
export interface ClientProtocol {
  /** Added to the address. */
  readonly path: string
  /** What a client sends, as WebSocket messages, each when it has read `after`. */
  subscribe(subjects: readonly string[]): Array<{ readonly after: string; readonly send: string }>
  /** Comes when all of it is known. */
  readonly ready: string
  /** What publishes, for systems that nothing else publishes to. */
  publish?(subject: string, payload: string): string
}

const nats: ClientProtocol = {
  path: '/nats',
  subscribe: (subjects) => [
    {
      after: '',
      send: `CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n${subjects
        .map((subject, i) => `SUB ${subject} ${i + 1}\r\n`)
        .join('')}PING\r\n`,
    },
  ],
  ready: 'PONG',
}

/** Of servers that are written for this: one line joins, one publishes. */
const lines: ClientProtocol = {
  path: '/',
  subscribe: (subjects) => [{ after: '', send: `SUB ${subjects.join(' ')}` }],
  ready: 'READY',
  publish: (subject, payload) => `PUB ${subject} ${payload}`,
}

const socketIo: ClientProtocol = {
  path: '/socket.io/?EIO=4&transport=websocket',
  subscribe: (subjects) => [
    { after: '', send: '40' },
    // What comes before the server has taken the first costs the connection.
    { after: '40{', send: `42${JSON.stringify(['join', ...subjects])}` },
  ],
  ready: 'READY',
  publish: (subject, payload) => `42${JSON.stringify(['say', subject, payload])}`,
}

const party: ClientProtocol = { ...lines, path: '/parties/bench/room' }

export const PROTOCOLS = { nats, lines, socketIo, party }
export type ProtocolName = keyof typeof PROTOCOLS
