/** It may check the text and store it before it publishes the event. */
export default defineEventHandler(async (event) => {
  const { text } = await readBody<{ text: string }>(event)
  await serverBus.publish('chat.{room}.message', { room: 'lobby' }, { from: 'server', text })
  return null
})
