export default defineNuxtConfig({
  compatibilityDate: '2026-11-01',
  telemetry: false,
  // NUXT_PUBLIC_BRIDGE_URL, read when the server starts.
  runtimeConfig: { public: { bridgeUrl: '' } },
})
