import { tokenFor } from '../../server-bus'

export async function GET(): Promise<Response> {
  const user = 'guest' // the user of your session
  return Response.json({ token: await tokenFor(user) }, { headers: { 'Cache-Control': 'no-store' } })
}
