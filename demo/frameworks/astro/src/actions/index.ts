import { defineAction } from 'astro:actions'
import { z } from 'astro/zod'
import { serverBus } from '../lib/server-bus'

export const server = {
  /** An action of the form: it may store the text before it publishes the event. */
  say: defineAction({
    accept: 'form',
    input: z.object({ text: z.string().trim().min(1) }),
    handler: ({ text }) => serverBus.publish('chat.{room}.message', { room: 'lobby' }, { from: 'server', text }),
  }),
}
