/** The contract of audited bridges, and the decisions of their application. Workers load it as well. */
import { z } from 'zod'
import type { ContractOptions } from '../../../bridge/contract/contract-options.ts'
import { bytes, defineEvents, event } from '../../../sdk/index.ts'

const note = z.object({ text: z.string() })

export const auditedEvents = defineEvents({
  'note.{token}.{kind}': event(note, { reply: note }),
  'versioned.{token}.{kind}': event(note, {
    version: 2,
    upgrade: { 1: (old: { old: string }) => ({ text: old.old }) },
  }),
  'stored.{token}.{kind}': event(note, { stream: 'AUDITED' }),
  'slow.{token}.{kind}': note.refine(async () => true),
  'never.{token}.{kind}': note.refine(() => new Promise<boolean>(() => {})),
  'file.{token}.{kind}': bytes(),
})

/** Options of a bridge with this contract. An event with the kind `closed`, `broken` or `hung` is not permitted. */
export const auditedContract: ContractOptions<typeof auditedEvents> = {
  events: auditedEvents,
  authorize: {
    timeout: 300,
    publish(_, { params: { kind } }) {
      if (kind === 'broken') throw new Error('the application is broken')
      return kind === 'hung' ? new Promise<boolean>(() => {}) : kind !== 'closed'
    },
    subscribe: async (_, __, { kind }) => kind !== 'closed',
  },
}
