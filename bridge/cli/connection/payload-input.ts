import { readFile } from 'node:fs/promises'
import process from 'node:process'
import { type Codec, json } from '../../../sdk/contract/codec.ts'
import { codeOrMessage, messageOf } from '../../../sdk/kit/error-text.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'

/**
 * The bytes that a command is given: an argument, `@file`, or `-` for standard input.
 * @throws SpanwireError (as rejection) `invalid-argument`
 */
export async function readInput(given: string | undefined): Promise<Uint8Array> {
  if (given === undefined) return new Uint8Array(0)
  if (given === '-') return readStdin()
  if (!given.startsWith('@')) return new TextEncoder().encode(given)
  const path = given.slice(1)
  try {
    return new Uint8Array(await readFile(path))
  } catch (cause) {
    const why = codeOrMessage(cause)
    throw new SpanwireError('invalid-argument', `${given} names ${path}, which can't be read (${why}).`, { cause })
  }
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk))
  return new Uint8Array(Buffer.concat(chunks))
}

/**
 * Data of an event of a contract.
 * @throws SpanwireError `invalid-data`
 */
export function decodeInput(payload: Uint8Array, codec: Codec, name: string): unknown {
  try {
    return codec.decode(payload)
  } catch (cause) {
    const hint = codec === json ? ` Quote it for the shell: '{"text":"hello"}'.` : ''
    throw new SpanwireError(
      'invalid-data',
      `The data of ${name} is not ${codec.contentType}: ${messageOf(cause)}.${hint}`,
      { cause },
    )
  }
}

/**
 * Collects `--header "Name: value"`, which may be repeated.
 * @throws SpanwireError `invalid-argument`
 */
export function collectHeader(
  text: string,
  previous: ReadonlyArray<readonly [string, string]> = [],
): ReadonlyArray<readonly [string, string]> {
  const [, name, value] = /^([^: \t]+):[ \t]*(.*)$/s.exec(text) ?? []
  if (name !== undefined && value !== undefined) return [...previous, [name, value]]
  throw new SpanwireError('invalid-argument', `--header is ${JSON.stringify(text)}: write "Name: value".`)
}
