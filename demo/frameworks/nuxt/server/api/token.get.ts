export default defineEventHandler(async (event) => {
  setResponseHeader(event, 'Cache-Control', 'no-store')
  const user = 'guest' // the user of your session
  return { token: await tokenFor(user) }
})
