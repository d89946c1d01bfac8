import { toBase64 } from '../../sdk/wire/base64.ts'
import { ID_HEADER, TIME_HEADER } from '../../sdk/wire/header-names.ts'
import { type HeaderFields, parseHeaders } from '../../sdk/wire/headers.ts'

/** A message as HTTP gives it away. */
export interface JsonSource {
  readonly subject: string
  readonly payload: Uint8Array
  readonly headerBlock?: Uint8Array | undefined
  /** Of a stream; `time` is when the stream took it, in ms since 1970. */
  readonly seq?: number | undefined
  readonly time?: number | undefined
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * One message as one line of JSON: `{ subject, data | base64, id?, headers?, seq?, time? }`, as a batch of
 * `POST /publish` takes it: `data` if the payload is JSON, nothing if it is empty.
 */
export function encodeJson({ subject, payload, headerBlock, seq, time }: JsonSource): string {
  const fields = headerBlock ? readFields(headerBlock) : []
  const find = (name: string) => fields.find(([own]) => own === name)?.[1]
  const headers = fields.filter(([name]) => name !== ID_HEADER)
  const published = find(TIME_HEADER) ?? ''
  const rest = JSON.stringify({
    id: find(ID_HEADER),
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
    const value: unknown = JSON.parse(text)
    // As it was written: reading and writing it again may change numbers. But it must stay one line.
    return `,"data":${/[\r\n]/.test(text) ? JSON.stringify(value) : text}`
  } catch {
    return `,"base64":"${toBase64(payload)}"`
  }
}

/** NATS passes on what is no header block, and who wrote it isn't who reads it. */
function readFields(block: Uint8Array): HeaderFields {
  try {
    return parseHeaders(block).fields
  } catch {
    return []
  }
}
