// In each module that the arguments name, two users talk in a room, and a third user comes later. Prints the lines that each
// user saw, as one line of JSON for each module.
import type { Page } from './chat.ts'
import { chatToken } from './chat-token.ts'

type Enter = (page: Page) => Promise<{ say: (text: string) => Promise<void>; leave: () => Promise<void> }>

const until = async (condition: () => boolean) => {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

for (const argument of process.argv.slice(2)) {
  const [module = '', ...features] = argument.split('+')
  const { enter } = (await import(`./${module}.ts`)) as { enter: Enter }
  const seen: Record<string, string[]> = {}
  const come = async (user: string) => {
    const lines: string[] = []
    seen[user] = lines
    const token = await chatToken(user, process.env.AUTH_SECRET ?? '')
    return { lines, ...(await enter({ room: module, user, token, show: (line) => lines.push(line) })) }
  }
  const users = [await come('ada'), await come('bob')]
  const [ada, bob] = users
  const bothSee = async (line: string) => {
    for (const { lines } of users) await until(() => lines.includes(line))
  }
  if (features.includes('presence')) await until(() => ada?.lines.includes('bob is here') ?? false)
  await ada?.say('hello')
  await bothSee('ada: hello')
  await bob?.say('good day')
  await bothSee('bob: good day')
  if (features.includes('history')) {
    users.push(await come('eve'))
    await bothSee('bob: good day')
  }
  for (const { leave } of users) await leave()
  console.log(JSON.stringify({ module, seen }))
}
process.exit()
