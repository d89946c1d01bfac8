import type { ClientOp } from '../../sdk/wire/client-op.ts'

/** An operation of a client, without payloads, header values and credentials. */
export function describeOperation(op: ClientOp): string {
  switch (op.verb) {
    case 'PUB':
      return sentence('PUB', op.subject, `${op.size} bytes`, op.reply !== undefined && `reply ${quote(op.reply)}`)
    case 'SUB':
      return sentence('SUB', op.filter, `sid ${quote(op.sid)}`, op.queue !== undefined && `queue ${quote(op.queue)}`)
    case 'UNSUB':
      return `UNSUB sid ${quote(op.sid)}${op.max === 0 ? '' : ` after ${op.max} messages`}.`
    default:
      return `${op.verb}.`
  }
}

function sentence(verb: string, subject: string, ...details: ReadonlyArray<string | false>): string {
  return `${[`${verb} ${quote(subject)}`, ...details.filter((one) => one !== false)].join(', ')}.`
}

const MAX_TEXT = 200

function quote(text: string): string {
  return JSON.stringify(text.slice(0, MAX_TEXT))
}
