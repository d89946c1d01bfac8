import type { BridgeOptions } from '../../../../bridge/bridge.ts'
import type { LogEvent } from '../../../../bridge/log/log.ts'
import type { Events } from '../../../../sdk/index.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'
import { bridgeFor } from '../session/scripted-client.ts'

/** A bridge that knows the contract, and the events of its log. */
export function gatedBridge<Contract extends Events>(options: Partial<BridgeOptions<Contract>>) {
  const log: LogEvent[] = []
  const { bridge } = bridgeFor({ log: (entry) => log.push(entry), ...options } as Partial<BridgeOptions>)
  return { bridge, log }
}

const toText = (data: unknown) => (typeof data === 'string' ? data : JSON.stringify(data))

/** PUB of JSON, or of a text as it is. */
export function pub(subject: string, data: unknown, reply = ''): string {
  const text = toText(data)
  return `PUB ${subject} ${reply}${reply && ' '}${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** HPUB with header fields, or with a header block as it is. */
export function hpub(subject: string, headers: Record<string, string> | string, data: unknown): string {
  const block = typeof headers === 'string' ? headers : new TextDecoder().decode(encodeHeaders(Object.entries(headers)))
  const text = toText(data)
  return `HPUB ${subject} ${block.length} ${block.length + Buffer.byteLength(text)}\r\n${block}${text}\r\n`
}

/** The `-ERR` of a refused publish. */
export function violation(subject: string, beyond = ''): string {
  return `-ERR 'Permissions Violation for Publish to "${subject}"${beyond && ` with ${beyond}`}'\r\n`
}

/** The `-ERR` of a publish whose data is not valid. */
export function invalid(subject: string, issues: unknown): string {
  return violation(subject, `invalid data ${JSON.stringify(JSON.stringify(issues))}`)
}
