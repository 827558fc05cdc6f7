/** The networks that this page knows, by the names that checkpoints give them. */
export const packages = {
  '@ddpm/adm': () => import('@ddpm/adm'),
  '@ddpm/glide': () => import('@ddpm/glide'),
  '@ddpm/imagen': () => import('@ddpm/imagen'),
  '@ddpm/unet': () => import('@ddpm/unet'),
};
