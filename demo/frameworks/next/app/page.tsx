import { connection } from 'next/server'
import { bridgeUrl } from '../server-bus'
import { say } from './actions'
import { Chat } from './chat'

export default async function Page() {
  // Renders for each request, so that the address of the bridge is not part of the build.
  await connection()
  return (
    <main>
      <h1>Lobby</h1>
      <Chat url={bridgeUrl} />
      <form action={say}>
        <input name="text" aria-label="Message" required />
        <button type="submit">Send by the server</button>
      </form>
    </main>
  )
}
