import type { APIRoute } from 'astro'
import { tokenFor } from '../lib/server-bus'

export const GET: APIRoute = async () => {
  const user = 'guest' // the user of your session
  return Response.json({ token: await tokenFor(user) }, { headers: { 'Cache-Control': 'no-store' } })
}
