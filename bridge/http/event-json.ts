import { toBase64 } from '../../sdk/wire/base64.ts'
import { ID_HEADER, TIME_HEADER } from '../../sdk/wire/header-names.ts'
import { type HeaderFields, parseHeaders } from '../../sdk/wire/headers.ts'

/** A message for an HTTP client. */
export interface JsonSource {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headerBlock?: Uint8Array | undefined
  /** Sequence in its stream. */
  readonly seq?: number | undefined
  /** Time at which the stream stored it, in ms since 1970. */
  readonly time?: number | undefined
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Encodes a message as one line of JSON, in the format of a `POST /publish` batch:
 * `{ subject, data | base64, id?, headers?, seq?, time? }`. `data` if the payload is JSON; neither if it is empty.
 */
export function encodeJson({ subject, payload, headerBlock, seq, time }: JsonSource): string {
  const fields = headerBlock ? readFields(headerBlock) : []
  const find = (name: string) => fields.find(([own]) => own === name)?.[1]
  // A stream publishes a scheduled event with its id in small letters.
  const isId = (name: string) => name === ID_HEADER || name === ID_HEADER.toLowerCase()
  const headers = fields.filter(([name]) => !isId(name))
  const published = find(TIME_HEADER) ?? ''
  const rest = JSON.stringify({
    id: fields.find(([name]) => isId(name))?.[1],
    headers: headers.length > 0 ? headers : undefined,
    seq,
    time: time ?? (/^\d{1,15}$/.test(published) ? Number(published) : undefined),
  })
  const content = encodePayload(payload)
  return `{"subject":${JSON.stringify(subject)}${content}${rest === '{}' ? '}' : `,${rest.slice(1)}`}`
}

function encodePayload(payload: Uint8Array): string {
  if (payload.length === 0) return ''
  try {
    const text = decoder.decode(payload)
    JSON.parse(text)
    // Unchanged, because parsing may change numbers. A line break is white space here, and the message must stay one line.
    return `,"data":${text.replace(/[\r\n]/g, ' ')}`
  } catch {
    return `,"base64":"${toBase64(payload)}"`
  }
}

/** A block that is not a header block has no fields: NATS passes on any bytes. */
function readFields(block: Uint8Array): HeaderFields {
  try {
    return parseHeaders(block).fields
  } catch {
    return []
  }
}
