import { encodeHeaders, type HeaderFields } from '../../../../sdk/wire/headers.ts'
import type { Audit } from '../audit.ts'

/** The `-ERR` of a rejected publish. */
export const violation = (subject: string, beyond: string) =>
  `-ERR 'Permissions Violation for Publish to "${subject}" with ${beyond}'`

/** The same, with a reason of the application. */
export const refusal = (subject: string, reason: string) => violation(subject, `a refusal "${reason}"`)

/** PUB of a text. */
export function pub(subject: string, payload: string, reply = ''): string {
  return `PUB ${subject} ${reply && `${reply} `}${Buffer.byteLength(payload)}\r\n${payload}\r\n`
}

/** HPUB of a text with headers. */
export function hpub(subject: string, fields: HeaderFields, payload: string): string {
  const block = new TextDecoder().decode(encodeHeaders(fields))
  return `HPUB ${subject} ${block.length} ${block.length + Buffer.byteLength(payload)}\r\n${block}${payload}\r\n`
}

/** An audit of a bridge that knows the contract. */
export function contractAudit(audit: Pick<Audit, 'rules' | 'title' | 'run'> & { readonly needsBroker?: true }): Audit {
  const { needsBroker, ...rest } = audit
  return {
    ...rest,
    bridgeOnly: true,
    needs({ contract, broker }) {
      if (!contract) return 'it has no bridge with the contract of the audits'
      return needsBroker && !broker ? 'native publishers need a nats-server' : undefined
    },
  }
}
