import { defineEnvVars } from '@sveltejs/kit/env'

export const variables = defineEnvVars({
  AUTH_SECRET: { description: 'signs tokens; the bridge has the same secret' },
  BRIDGE_URL: { description: 'address of the bridge' },
})
