import { rootToken, SECRET } from '../../support/token.ts'
import { cpuOf } from '../process-figures.ts'
import { encodeFrame, openRawSocket } from '../raw-socket.ts'
import { messageCounter } from './raw-nats.ts'

/** Prints a result. */
export type Note = (name: string, value: number, unit: string) => void

/** A client of a bridge, with counters. */
export async function openClient(url: string, ops: string, isAnonymous = false) {
  const state = { messages: 0, pongs: 0 }
  const count = messageCounter()
  const socket = await openRawSocket(`${url.replace('http', 'ws')}/nats`, (chunk) => {
    state.messages += count(chunk)
    if (chunk.includes('PONG\r\n')) {
      state.pongs++
      ready.resolve()
    }
    if (chunk.includes('PING\r\n')) socket.write(encodeFrame('PONG\r\n', true))
  })
  const ready = Promise.withResolvers<void>()
  socket.on('error', () => {})
  const credentials = isAnonymous ? {} : { auth_token: await token }
  const options = JSON.stringify({ verbose: false, headers: true, ...credentials })
  socket.write(encodeFrame(`CONNECT ${options}\r\n${ops}PING\r\n`, true))
  await ready.promise
  return { state, socket }
}

const token = rootToken()
export const auth = { secret: SECRET }

/** CPU of `run`, in µs per unit. */
export async function costOf(pids: readonly number[], units: number, run: () => Promise<void>): Promise<number> {
  const before = cpuOf(pids)
  await run()
  return (cpuOf(pids) - before) / units
}
