import * as z from 'zod/mini'
import { defineEvents, event } from '../../sdk/index.ts'

const part = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('begin'), question: z.string() }),
  z.object({ kind: z.literal('token'), text: z.string() }),
  z.object({ kind: z.literal('end'), reason: z.enum(['complete', 'stopped']), text: z.string() }),
])

export const events = defineEvents({
  // Each answer has one subject, so that its parts have one order.
  'answers.{user}.{answer}': event(part, { stream: 'ANSWERS' }),
  'questions.{user}.{answer}': event(z.object({ text: z.string() }), { stream: 'QUESTIONS' }),
  'stops.{user}.{answer}': event(z.object({}), { stream: 'STOPS' }),
})
