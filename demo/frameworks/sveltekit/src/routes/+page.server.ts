import { BRIDGE_URL } from '$app/env/private'
import { serverBus } from '../lib/server/bus'
import type { Actions, PageServerLoad } from './$types'

export const load: PageServerLoad = () => ({ url: BRIDGE_URL })

export const actions: Actions = {
  /** A form action: it may check the text and store it before it publishes the event. */
  default: async ({ request }) => {
    const text = String((await request.formData()).get('text')).trim()
    if (text) await serverBus.publish('chat.{room}.message', { room: 'lobby' }, { from: 'server', text })
  },
}
