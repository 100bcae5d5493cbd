<?php

declare(strict_types=1);

use App\Console\Kernel;
use Illuminate\Contracts\Console\Kernel as KernelContract;
use Illuminate\Contracts\Debug\ExceptionHandler;
use Illuminate\Foundation\Application;
use Illuminate\Foundation\Exceptions\Handler;

$app = new Application(dirname(__DIR__));

// Everything this application writes is below one directory, which may be moved out of the code: logs, file cache,
// socket, and what Laravel would otherwise write into bootstrap/cache.
$storage = getenv('LARAVEL_STORAGE_PATH') ?: $app->basePath('storage');
foreach (["$storage/app", "$storage/framework"] as $directory) {
    is_dir($directory) || mkdir($directory, 0777, true);
}
$app->useStoragePath($storage);
$_SERVER['APP_SERVICES_CACHE'] ??= "$storage/framework/services.php";
$_SERVER['APP_PACKAGES_CACHE'] ??= "$storage/framework/packages.php";

$app->singleton(KernelContract::class, Kernel::class);
$app->singleton(ExceptionHandler::class, Handler::class);

return $app;
