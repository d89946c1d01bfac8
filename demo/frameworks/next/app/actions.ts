'use server'

import { serverBus } from '../server-bus'

/** A server action: it may check the text and store it before it publishes the event. */
export async function say(form: FormData): Promise<void> {
  const text = String(form.get('text')).trim()
  if (text) await serverBus.publish('chat.{room}.message', { room: 'lobby' }, { from: 'server', text })
}
