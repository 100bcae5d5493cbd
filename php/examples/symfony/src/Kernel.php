<?php

declare(strict_types=1);

namespace App;

use RustDaemon\Client\Client;
use RustDaemon\Client\ClientInterface;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\HttpKernel\Kernel as BaseKernel;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

/** All the wiring that there is: the commands, and a client wherever somebody asks for a ClientInterface. */
final class Kernel extends BaseKernel
{
    use MicroKernelTrait;

    public function registerBundles(): iterable
    {
        yield new FrameworkBundle();
    }

    public function getProjectDir(): string
    {
        return dirname(__DIR__);
    }

    private function configureContainer(ContainerConfigurator $container): void
    {
        $container->extension('framework', ['secret' => '%env(APP_SECRET)%', 'http_method_override' => false]);
        $container->parameters()->set('env(APP_SECRET)', 'not used here')->set('env(APP_SOCKET)', '/tmp/counter.sock');

        $services = $container->services();
        $services->defaults()->autowire()->autoconfigure()->bind('string $socket', '%env(APP_SOCKET)%');
        $services->load('App\\Command\\', __DIR__ . '/Command/');
        $services->set(ClientInterface::class, Client::class)->args(['%env(APP_SOCKET)%', null, 5.0]);
    }

    private function configureRoutes(RoutingConfigurator $routes): void
    {
    }
}
