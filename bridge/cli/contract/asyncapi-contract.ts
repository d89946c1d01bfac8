/** A contract that was written by `spanwire contract docs`, read again: an old version needs no source. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import process from 'node:process'
import { SubjectTemplate } from '../../../sdk/contract/template.ts'
import { codeOrMessage } from '../../../sdk/kit/error-text.ts'
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { describeContract, type EventDescription, paramsOf } from './event-description.ts'
import { loadContract } from './load-contract.ts'

type Fields = Readonly<Record<string, unknown>>

/**
 * The events of a contract: of a module, or of an AsyncAPI document of ours (`.json`).
 * @throws SpanwireError (as rejection) `invalid-argument`
 */
export async function readEvents(place: string): Promise<EventDescription[]> {
  if (!place.endsWith('.json')) return describeContract(await loadContract(place))
  let document: unknown
  try {
    document = JSON.parse(await readFile(resolve(process.cwd(), place), 'utf8'))
  } catch (cause) {
    throw new SpanwireError('invalid-argument', `${place} can't be read as JSON (${codeOrMessage(cause)}).`, { cause })
  }
  const { asyncapi, channels } = membersOf(document)
  if (!String(asyncapi).startsWith('3.') || typeof channels !== 'object')
    throw new SpanwireError(
      'invalid-argument',
      `${place} is not an AsyncAPI 3 document: write one with "spanwire contract docs".`,
    )
  return Object.entries(membersOf(channels))
    .map(([id, channel]) => [id, membersOf(channel)] as const)
    .filter(([, { address }]) => typeof address === 'string')
    .map(([id, channel]) => readChannel(membersOf(document), id, channel))
}

function readChannel(document: Fields, id: string, channel: Fields): EventDescription {
  const messages = membersOf(membersOf(document.components).messages)
  const message = membersOf(messages[id])
  // The message bears the event's name as the contract has it, `{rest...}` included.
  const name = String(message.name ?? channel.address)
  const { 'x-jetstream-stream': stream, 'x-spanwire-version': version } = channel
  const answer = messages[`${id}.reply`]
  const contentType = String(message.contentType ?? 'application/json')
  return {
    name,
    filter: new SubjectTemplate(name).filter({}),
    params: paramsOf(name),
    ...(typeof stream === 'string' && { stream }),
    contentType,
    ...(typeof version === 'number' && { version }),
    ...readPayload(message),
    ...(answer ? { reply: readPayload(membersOf(answer)) } : {}),
  }
}

function readPayload({ payload, contentType }: Fields) {
  if (typeof payload === 'object' && payload !== null) return { schema: membersOf(payload) }
  return contentType === 'application/json'
    ? { noSchema: 'Its schema library gives no JSON Schema.' }
    : { noSchema: `Its data is ${contentType}.` }
}
