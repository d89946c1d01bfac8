import { json } from '@sveltejs/kit'
import { tokenFor } from '../../lib/server/bus'

export async function GET(): Promise<Response> {
  const user = 'guest' // the user of your session
  return json({ token: await tokenFor(user) }, { headers: { 'Cache-Control': 'no-store' } })
}
