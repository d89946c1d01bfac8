import { expect } from 'vitest'
import type { AuditContext } from './audit.ts'
import type { Answer, RawClient } from './raw-client.ts'
import type { ServerLine } from './server-reader.ts'

/** Control lines of an answer. */
export function lines(answer: Answer): string[] {
  return answer.lines.map(({ line }) => line)
}

/** Messages of an answer, as `subject sid payload`. */
export function messages(answer: Answer): string[] {
  return answer.lines.filter(isMessage).map((message) => {
    const [, subject, sid] = message.line.split(' ')
    return `${subject} ${sid} ${message.payload}`
  })
}

export function isMessage({ line }: ServerLine): boolean {
  return line.startsWith('MSG ') || line.startsWith('HMSG ')
}

/** Closed without an `-ERR`: clients of NATS connect again. */
export const SILENTLY = ''

/**
 * Expects that the connection was closed with `code`, after `-ERR '<text>'` if `text` is given.
 * nats-server 2.15 may end the TCP connection before either arrives, and has no text for some errors.
 */
export function expectClosed({ target }: AuditContext, answer: Answer, code: number, text?: string): void {
  const errors = lines(answer).filter((line) => line.startsWith('-ERR'))
  expect(answer.ending, `closed after ${JSON.stringify(answer.lines)}`).toBeDefined()
  if (target.isBridge) {
    expect(answer.ending?.code).toBe(code)
    if (text === SILENTLY) expect(errors).toEqual([])
    else if (text !== undefined) expect(errors).toEqual([`-ERR '${text}'`])
    else expect(errors).toHaveLength(1)
  } else {
    expect([code, 1006]).toContain(answer.ending?.code)
    if (text !== undefined && text !== SILENTLY) for (const error of errors) expect(error).toBe(`-ERR '${text}'`)
  }
}

/** Expects that each of `inputs` closes a new connection. */
export async function expectAllClosed(
  context: AuditContext,
  inputs: ReadonlyArray<string | Uint8Array>,
  code: number,
  text?: string,
): Promise<void> {
  for (const input of inputs) {
    const client = await context.connect()
    expectClosed(context, await client.exchange(input), code, text)
  }
}

/** Sends `bytes` and expects exactly the messages `expected` before the PONG, in any order. */
export async function expectMessages(
  client: RawClient,
  bytes: string | Uint8Array,
  expected: readonly string[],
): Promise<void> {
  const answer = await client.exchange(bytes)
  expect(messages(answer).sort()).toEqual([...expected].sort())
}

/** Whether an INFO has this state of the broker. */
export function hasUpstream(state: string): (info: Record<string, unknown>) => boolean {
  return ({ edge }) => (edge as { upstream?: string } | undefined)?.upstream === state
}
