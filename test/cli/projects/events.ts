/** The contract of the tests of the command line. */
import { z } from 'zod'
import { defineEvents, event } from '../../../sdk/index.ts'

export const events = defineEvents({
  'chat.{room}.message': z.object({ text: z.string().max(100) }),
  'shop.{id}.paid': event(z.object({ total: z.number() }), { stream: 'CLI_SHOP' }),
  'quotes.{symbol}.get': event(z.object({}), { reply: z.object({ price: z.number() }) }),
})
