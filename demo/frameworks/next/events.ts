import { defineEvents } from 'spanwire'
import { z } from 'zod'

/** The contract of the pages and of the server. */
export const events = defineEvents({
  'chat.{room}.message': z.object({ from: z.string(), text: z.string() }),
})
